#pragma once
// What a dropout operator does to one element, as PyTorch defines it: the value and the gradient where the
// mask keeps and where it drops, with the rounding of each dtype. Nothing here draws or iterates.

#include "harness/core/element.hpp"

namespace dropcheck::reference {

/// alpha of alpha dropout: scale * alpha of SELU (Klambauer et al. 2017), with the digits PyTorch uses.
inline constexpr double kAlpha = 1.7580993408473766;

/// a = ((alpha^2 p + 1) q)^(-1/2): the gain that keeps variance 1 (Klambauer et al. 2017, section 3).
double alpha_gain(double p);
/// alpha a p: what is added to a kept element.
double alpha_kept_shift(double p);
/// -alpha a q: what a dropped element becomes.
double alpha_dropped_shift(double p);

/// What p = 1 does with every operator: x * 0, so the sign of zero stays and NaN and infinities become NaN.
inline double zeroed(double x) { return x * 0.0; }

/// The element-wise law of one operator for 0 < p < 1 in training. Elements travel as double, which holds
/// each dtype exactly.
class Definition {
 public:
  Definition(Op op, double p, DType dtype);

  /// Plain: round(x * scale). Alpha: round(fl(x * fl(a)) + fl(alpha a p)), computed in f32 (f64 for f64) and
  /// rounded once.
  double kept(double x) const {
    const double product = x * gain_;  // exact in double for every dtype but f64
    return alpha_ ? round_to(in_operation(in_operation(product) + kept_shift_), dtype_)
                  : round_to(product, dtype_);
  }

  /// Plain: x * 0. Alpha: round(x * 0 + fl(-alpha a q)).
  double dropped(double x) const { return alpha_ ? round_to(zeroed(x) + dropped_shift_, dtype_) : zeroed(x); }

  /// d(kept)/dx * dy: dy times the factor of the forward pass.
  double kept_gradient(double dy) const {
    return alpha_ ? round_to(in_operation(dy * gain_), dtype_) : round_to(dy * gain_, dtype_);
  }

  double dropped_gradient(double dy) const { return zeroed(dy); }

 private:
  /// Rounds to the type that arithmetic on the dtype is done in. A sum or product of two f32 that is rounded
  /// from double is the correctly rounded one: 53 >= 2 * 24 + 2 (Figueroa 1995).
  double in_operation(double value) const { return dtype_ == DType::f64 ? value : static_cast<float>(value); }

  DType dtype_;
  bool alpha_;
  double gain_;
  double kept_shift_ = 0;
  double dropped_shift_ = 0;
};

}  // namespace dropcheck::reference
