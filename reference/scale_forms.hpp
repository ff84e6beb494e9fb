#pragma once
// Correct implementations round a kept value in different ways: some divide by q, some multiply by a
// reciprocal that was rounded here or there. Each way is a form; a backend must follow one of its dtype's
// forms for every element.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/vocabulary.hpp"
#include "reference/definition.hpp"

namespace dropcheck::reference {

/// How a factor times an element is rounded. fl is rounding to the dtype, fl32 to f32, q = 1 - p in double, a
/// is alpha_gain(p).
enum class ScaleForm : std::uint8_t {
  reciprocal_of_rounded_q,  // x * fl(1 / fl(q)): PyTorch's CPU and fused CUDA kernels in f32 and f64
  rounded_reciprocal,  // x * fl(1 / q), the reciprocal in double: PyTorch's native_dropout and CUDA backward
  quotient,            // x / fl(q): TorchScript and most hand-written kernels
  wide_reciprocal_A,   // half types: fl(fl32(x) * fl32(1 / fl32(q)))
  wide_reciprocal_B,   // half types: fl(fl32(x) * fl32(1 / q))
  reciprocal_of_wide_q,  // half types: x * fl(1 / fl32(q)): PyTorch's CPU kernels
  wide_quotient,         // half types: fl(fl32(x) / fl32(q))
  rounded_gain,          // alpha gradient: dy * fl(a)
  wide_gain,             // alpha gradient, half types: fl(fl32(dy) * fl32(a))
  gain_below,            // alpha gradient, f64: dy times the number before a; implementations associate a in
  gain_above,            // different ways, which leads to its neighbours. dy times the number after a
  // Where p is kept as an f32, q is fl32(1 - fl32(p)), which for many p is another number than fl32(1 - p).
  reciprocal_of_float_q,       // x * fl(fl32(1 / q)): MXNet's kernels
  quotient_of_float_q,         // x / fl(q): ONNX Runtime's and PaddlePaddle's CPU kernels
  wide_reciprocal_of_float_q,  // half types: fl(fl32(x) * fl32(1 / q))
  wide_quotient_of_float_q,    // half types: fl(fl32(x) / q)
  reciprocal_of_f32_q,         // f64: x * fl32(1 / fl32(q)), q = 1 - p in double: MindSpore's kernels
  unscaled,                    // x: where training does not scale
  // Where eval mode scales instead.
  times_q,             // x * fl(q), q = 1 - p in double
  wide_times_q,        // half types: fl(fl32(x) * fl32(q))
  times_float_q,       // x * fl(q), q = fl32(1 - fl32(p)): PaddlePaddle's CPU kernels
  wide_times_float_q,  // half types: fl(fl32(x) * q)
};

/// The formula, e.g. "x * fl(1/fl(q))".
std::string_view to_string(ScaleForm form);

/// The form whose name, e.g. "wide_quotient", this is; absent where there is none.
std::optional<ScaleForm> scale_form_from(std::string_view name);
/// That name.
std::string_view name_of(ScaleForm form);

/// Forms of a kept value of the plain and feature operators in that dtype that PyTorch's kernels and those
/// written to replace them follow.
std::span<const ScaleForm> scale_forms(DType dtype);
/// More of them, which other frameworks follow: those that work out 1 - p, or its reciprocal, in f32.
std::span<const ScaleForm> float_scale_forms(DType dtype);
/// Forms of the alpha gradient beside those of gradient_forms: of other ways to work out a. None but in f64,
/// where no rounding hides them.
std::span<const ScaleForm> near_gain_forms(DType dtype);
/// Forms of x q in eval mode.
std::span<const ScaleForm> eval_forms(DType dtype);

/// A gradient is a multiplication like the forward one: the same forms, applied to dy.
using GradientForm = ScaleForm;
/// Forms of the gradient of a kept element: the scale forms, or for the alpha operators those of the gain.
std::span<const GradientForm> gradient_forms(Op op, DType dtype);

/// One form with its constants worked out for one p and dtype.
class ScaleRule {
 public:
  ScaleRule(ScaleForm form, double p, DType dtype);

  ScaleForm form() const { return form_; }
  /// The rounded result, exactly, for an x that the dtype holds exactly.
  double operator()(double x) const;

 private:
  enum class Arithmetic : std::uint8_t { multiply, multiply_in_f32, divide, divide_in_f32 };

  ScaleForm form_;
  DType dtype_;
  Arithmetic arithmetic_ = Arithmetic::multiply;
  double operand_ = 1;
};

/// Rounded kept value of a plain or feature operator; x must be exactly representable.
double kept_value(ScaleForm form, double x, double p, DType dtype);
/// Rounded gradient of a kept element; dy must be exactly representable.
double kept_gradient(GradientForm form, double dy, double p, DType dtype);

/// The forms that agree with every element seen so far.
class FormFilter {
 public:
  FormFilter(std::span<const ScaleForm> candidates, double p, DType dtype);

  /// Strikes out the forms that do not take x to y: same bits, or both NaN.
  void observe(double x, double y);
  /// Leaves what this filter and `other`, begun with the same candidates on other elements, both allow.
  void merge(const FormFilter& other);

  bool empty() const { return rules_.empty(); }
  std::vector<ScaleForm> remaining() const;
  /// "x * fl(1/fl(q)) or x / fl(q)"; "none" when empty.
  std::string description() const;

 private:
  std::vector<ScaleRule> rules_;
};

/// The two branches of an alpha operator as real numbers in double, and how far rounding may take a result in
/// that dtype.
struct AlphaValues {
  double kept;
  double dropped;
  double kept_tolerance;
  double dropped_tolerance;
};

/// Implementations associate a x + alpha a p and -alpha a q in different ways, so the branches are bounded
/// instead of listed. Each rounding errs by at most u times a magnitude that never exceeds |a x| + alpha a,
/// and no path to a result takes more than four: of a, of the product, of the shift and of the sum. Terms in
/// u^2 vanish in the slack, since at most three of them meet one term of the sum. The value here and both
/// sides' a are themselves computed in double, each within 4 * 2^-53 in the same units, which counts in f64
/// only: tolerance = (4 u + 12 * 2^-53) (|a x| + alpha a). For a dropped element x contributes x * 0.
AlphaValues alpha_values(double x, double p, DType dtype);

/// Half the distance from 1 to the next number: 2^-53, 2^-24, 2^-11, 2^-8.
double unit_roundoff(DType dtype);

}  // namespace dropcheck::reference
