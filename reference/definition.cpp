#include "reference/definition.hpp"

#include <cmath>

namespace dropcheck::reference {
namespace {

/// PyTorch divides a one by q and multiplies with that: fl(1 / fl(q)). The half types keep q in f32 and round
/// the quotient.
double plain_scale(double q, DType dtype) {
  if (dtype == DType::f64) return 1.0 / q;
  const float reciprocal = 1.0f / static_cast<float>(q);
  return round_to(static_cast<double>(reciprocal), dtype);
}

}  // namespace

double alpha_gain(double p) { return 1.0 / std::sqrt((kAlpha * kAlpha * p + 1.0) * (1.0 - p)); }

double alpha_kept_shift(double p) { return kAlpha * alpha_gain(p) * p; }

double alpha_dropped_shift(double p) { return -kAlpha * alpha_gain(p) * (1.0 - p); }

Definition::Definition(Op op, double p, DType dtype) : dtype_(dtype), alpha_(is_alpha(op)) {
  if (alpha_) {
    gain_ = in_operation(alpha_gain(p));
    kept_shift_ = in_operation(alpha_kept_shift(p));
    dropped_shift_ = in_operation(alpha_dropped_shift(p));
  } else {
    gain_ = plain_scale(1.0 - p, dtype);
  }
}

}  // namespace dropcheck::reference
