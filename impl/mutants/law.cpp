#include "impl/mutants/law.hpp"

#include <Eigen/Core>
#include <cmath>
#include <type_traits>

#include "harness/core/invariant.hpp"

namespace dropcheck::mutants {
namespace {

constexpr double kAlpha = 1.7580993408473766;

/// The value rounded to f32 and, for the half types, from there to the dtype.
double rounded(double value, DType dtype) {
  const auto narrow = static_cast<float>(value);
  switch (dtype) {
    case DType::f64: return value;
    case DType::f16: return static_cast<double>(static_cast<float>(Eigen::half(narrow)));
    case DType::bf16: return static_cast<double>(static_cast<float>(Eigen::bfloat16(narrow)));
    default: return static_cast<double>(narrow);
  }
}

double reciprocal(double of, DType dtype) {
  if (dtype == DType::f64) return 1.0 / of;
  return rounded(static_cast<double>(1.0f / static_cast<float>(of)), dtype);
}

/// The next number of the dtype above a positive one.
double next_above(double value, DType dtype) {
  if (dtype == DType::f64) return std::nextafter(value, HUGE_VAL);
  if (dtype == DType::f32) return static_cast<double>(std::nextafter(static_cast<float>(value), HUGE_VALF));
  DROPCHECK_CHECK(dtype == DType::bf16);
  return rounded(value + std::ldexp(0x1.8p-8, std::ilogb(value)), dtype);  // three quarters of a step
}

double alpha_gain(double p) { return 1.0 / std::sqrt((kAlpha * kAlpha * p + 1.0) * (1.0 - p)); }

double plain_gain(const CallState& call, Fault fault) {
  if (fault == Fault::scale_missing) return 1.0;
  if (fault == Fault::scale_inverse_p || fault == Fault::swapped_with_scale)
    return reciprocal(call.p, call.dtype);
  if (fault == Fault::scale_by_q) return rounded(1.0 - call.p, call.dtype);
  if (fault == Fault::scale_integer) return std::floor(1.0 / (1.0 - call.p));
  if (fault == Fault::not_inverted || fault == Fault::mask_inverted_unscaled || fault == Fault::integer_p)
    return 1.0;
  return reciprocal(1.0 - call.p, call.dtype);
}

double gain_of_alpha(const CallState& call, Fault fault) {
  return fault == Fault::alpha_gain_not_inverted ? 1.0 / alpha_gain(call.p) : alpha_gain(call.p);
}

template <typename T>
void apply_to(const Law& law, const std::byte* x_bytes, const std::uint8_t* kept, std::int64_t entries,
              std::int64_t per_entry, std::byte* y_bytes) {
  using Real = std::conditional_t<std::is_same_v<T, double>, double, float>;
  const T* x = reinterpret_cast<const T*>(x_bytes);
  T* y = reinterpret_cast<T*>(y_bytes);
  const auto gain = static_cast<Real>(law.gain);
  const auto kept_shift = static_cast<Real>(law.kept_shift),
             dropped_shift = static_cast<Real>(law.dropped_shift);
  const auto one = [&](std::int64_t at, bool keep) {
    Real value = static_cast<Real>(x[at]) * (keep ? gain : Real{0});
    if (law.selects && !keep) value = 0;
    if (law.dropped_nan_is_zero && !keep && std::isnan(static_cast<Real>(x[at]))) value = 0;
    if (law.round_product) value = static_cast<Real>(static_cast<T>(value));
    if (law.shifts) value += keep ? kept_shift : dropped_shift;
    if (keep || !law.skip_dropped) y[at] = static_cast<T>(value);
  };
  if (per_entry == 1) {
    for (std::int64_t i = 0; i < entries; ++i) one(i, kept[i] != 0);
    return;
  }
  for (std::int64_t entry = 0; entry < entries; ++entry)
    for (std::int64_t i = 0; i < per_entry; ++i) one(entry * per_entry + i, kept[entry] != 0);
}

}  // namespace

Law forward_law(const CallState& call, Fault fault) {
  if (!is_alpha(call.op))
    return {.gain = plain_gain(call, fault), .selects = fault == Fault::selects_for_product};
  const double a = gain_of_alpha(call, fault);
  return {.gain = a,
          .shifts = true,
          .kept_shift = kAlpha * a * call.p,
          .dropped_shift = -kAlpha * a * (1.0 - call.p)};
}

Law backward_law(const CallState& call, Fault fault) {
  Law law{.gain = is_alpha(call.op) ? gain_of_alpha(call, fault) : plain_gain(call, fault)};
  if (fault == Fault::backward_inverse_scale) law.gain = rounded(1.0 - call.p, call.dtype);
  if (fault == Fault::backward_scaled_by_p) law.gain = rounded(call.p, call.dtype);
  law.skip_dropped = fault == Fault::dx_unwritten;
  return law;
}

Law torchlike_law(Op op, double p, DType dtype, Fault fault) {
  Law law = torchlike_gradient_law(op, p, dtype, fault);
  law.dropped_nan_is_zero = fault == Fault::nan_to_zero;
  if (!is_alpha(op)) return law;
  const double a = alpha_gain(p);
  law.shifts = true;
  law.round_product = true;
  law.kept_shift = rounded(kAlpha * a * p, dtype);
  law.dropped_shift = rounded(law.kept_shift - rounded(kAlpha * a, dtype), dtype);
  return law;
}

Law torchlike_gradient_law(Op op, double p, DType dtype, Fault fault) {
  Law law;
  if (is_alpha(op)) law.gain = rounded(alpha_gain(p), dtype);
  else law.gain = reciprocal(rounded(1.0 - p, dtype), dtype);
  if (fault == Fault::scale_ulp) law.gain = next_above(law.gain, dtype);
  return law;
}

void apply(const Law& law, DType dtype, const std::byte* x, const std::uint8_t* kept, std::int64_t entries,
           std::int64_t per_entry, std::byte* y) {
  switch (dtype) {
    case DType::f64: return apply_to<double>(law, x, kept, entries, per_entry, y);
    case DType::f32: return apply_to<float>(law, x, kept, entries, per_entry, y);
    case DType::f16: return apply_to<Eigen::half>(law, x, kept, entries, per_entry, y);
    case DType::bf16: return apply_to<Eigen::bfloat16>(law, x, kept, entries, per_entry, y);
    default: DROPCHECK_CHECK(false && "only floating dtypes are claimed");
  }
}

}  // namespace dropcheck::mutants
