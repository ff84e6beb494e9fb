#include "reference/scale_forms.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

namespace dropcheck::reference {
namespace {

constexpr std::array kForms = {ScaleForm::reciprocal_of_rounded_q,
                               ScaleForm::rounded_reciprocal,
                               ScaleForm::quotient,
                               ScaleForm::wide_reciprocal_A,
                               ScaleForm::wide_reciprocal_B,
                               ScaleForm::reciprocal_of_wide_q,
                               ScaleForm::wide_quotient};
constexpr std::size_t kNarrowForms = 3;  // the first three exist in every dtype
constexpr std::array kGainForms = {ScaleForm::rounded_gain, ScaleForm::wide_gain};
constexpr std::array kNearGainForms = {ScaleForm::gain_below, ScaleForm::gain_above};
constexpr std::array kFloatForms = {ScaleForm::reciprocal_of_float_q, ScaleForm::quotient_of_float_q,
                                    ScaleForm::wide_reciprocal_of_float_q,
                                    ScaleForm::wide_quotient_of_float_q};
constexpr std::array kWideFloatForms = {ScaleForm::reciprocal_of_float_q, ScaleForm::quotient_of_float_q,
                                        ScaleForm::reciprocal_of_f32_q};
constexpr std::array kEvalForms = {ScaleForm::times_q, ScaleForm::times_float_q, ScaleForm::wide_times_q,
                                   ScaleForm::wide_times_float_q};
constexpr std::size_t kNarrowPairs = 2;  // the first two of these exist in every dtype

bool is_half(DType dtype) { return dtype == DType::f16 || dtype == DType::bf16; }

double fl32(double value) { return static_cast<double>(static_cast<float>(value)); }

/// 1 - p as code has it that keeps p as an f32.
double float_q(double p) { return fl32(1.0 - fl32(p)); }

constexpr std::array<std::pair<ScaleForm, std::string_view>, 21> kNames = {{
    {ScaleForm::reciprocal_of_rounded_q, "reciprocal_of_rounded_q"},
    {ScaleForm::rounded_reciprocal, "rounded_reciprocal"},
    {ScaleForm::quotient, "quotient"},
    {ScaleForm::wide_reciprocal_A, "wide_reciprocal_A"},
    {ScaleForm::wide_reciprocal_B, "wide_reciprocal_B"},
    {ScaleForm::reciprocal_of_wide_q, "reciprocal_of_wide_q"},
    {ScaleForm::wide_quotient, "wide_quotient"},
    {ScaleForm::rounded_gain, "rounded_gain"},
    {ScaleForm::wide_gain, "wide_gain"},
    {ScaleForm::gain_below, "gain_below"},
    {ScaleForm::gain_above, "gain_above"},
    {ScaleForm::reciprocal_of_float_q, "reciprocal_of_float_q"},
    {ScaleForm::quotient_of_float_q, "quotient_of_float_q"},
    {ScaleForm::wide_reciprocal_of_float_q, "wide_reciprocal_of_float_q"},
    {ScaleForm::wide_quotient_of_float_q, "wide_quotient_of_float_q"},
    {ScaleForm::reciprocal_of_f32_q, "reciprocal_of_f32_q"},
    {ScaleForm::unscaled, "unscaled"},
    {ScaleForm::times_q, "times_q"},
    {ScaleForm::wide_times_q, "wide_times_q"},
    {ScaleForm::times_float_q, "times_float_q"},
    {ScaleForm::wide_times_float_q, "wide_times_float_q"},
}};

bool same(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) ||
         std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

}  // namespace

std::string_view to_string(ScaleForm form) {
  switch (form) {
    case ScaleForm::reciprocal_of_rounded_q: return "x * fl(1/fl(q))";
    case ScaleForm::rounded_reciprocal: return "x * fl(1/q)";
    case ScaleForm::quotient: return "x / fl(q)";
    case ScaleForm::wide_reciprocal_A: return "fl(fl32(x) * fl32(1/fl32(q)))";
    case ScaleForm::wide_reciprocal_B: return "fl(fl32(x) * fl32(1/q))";
    case ScaleForm::reciprocal_of_wide_q: return "x * fl(1/fl32(q))";
    case ScaleForm::wide_quotient: return "fl(fl32(x) / fl32(q))";
    case ScaleForm::rounded_gain: return "x * fl(a)";
    case ScaleForm::wide_gain: return "fl(fl32(x) * fl32(a))";
    case ScaleForm::gain_below: return "x * (a - ulp)";
    case ScaleForm::gain_above: return "x * (a + ulp)";
    case ScaleForm::reciprocal_of_float_q: return "x * fl(fl32(1/fl32(1-fl32(p))))";
    case ScaleForm::quotient_of_float_q: return "x / fl(fl32(1-fl32(p)))";
    case ScaleForm::wide_reciprocal_of_float_q: return "fl(fl32(x) * fl32(1/fl32(1-fl32(p))))";
    case ScaleForm::wide_quotient_of_float_q: return "fl(fl32(x) / fl32(1-fl32(p)))";
    case ScaleForm::reciprocal_of_f32_q: return "x * fl32(1/fl32(q))";
    case ScaleForm::unscaled: return "x";
    case ScaleForm::times_q: return "x * fl(q)";
    case ScaleForm::wide_times_q: return "fl(fl32(x) * fl32(q))";
    case ScaleForm::times_float_q: return "x * fl(fl32(1-fl32(p)))";
    case ScaleForm::wide_times_float_q: return "fl(fl32(x) * fl32(1-fl32(p)))";
  }
  return "unknown";
}

std::optional<ScaleForm> scale_form_from(std::string_view name) {
  for (const auto& [form, known] : kNames)
    if (known == name) return form;
  return std::nullopt;
}

std::string_view name_of(ScaleForm form) {
  for (const auto& [known, name] : kNames)
    if (known == form) return name;
  return "unknown";
}

std::span<const ScaleForm> scale_forms(DType dtype) {
  return std::span(kForms).first(is_half(dtype) ? kForms.size() : kNarrowForms);
}

std::span<const ScaleForm> float_scale_forms(DType dtype) {
  if (dtype == DType::f64) return kWideFloatForms;
  return std::span(kFloatForms).first(is_half(dtype) ? kFloatForms.size() : kNarrowPairs);
}

std::span<const ScaleForm> near_gain_forms(DType dtype) {
  return std::span(kNearGainForms).first(dtype == DType::f64 ? kNearGainForms.size() : 0);
}

std::span<const ScaleForm> eval_forms(DType dtype) {
  return std::span(kEvalForms).first(is_half(dtype) ? kEvalForms.size() : kNarrowPairs);
}

std::span<const GradientForm> gradient_forms(Op op, DType dtype) {
  if (!is_alpha(op)) return scale_forms(dtype);
  return std::span(kGainForms).first(is_half(dtype) ? kGainForms.size() : 1);
}

// Correct rounding: a quotient of two f32, or of two of a half type, that is taken in double and rounded to
// that type is the correctly rounded one (Figueroa 1995: 53 >= 2 * 24 + 2). The f32 operations of the half
// types are rounded twice, as written.
ScaleRule::ScaleRule(ScaleForm form, double p, DType dtype) : form_(form), dtype_(dtype) {
  const double q = 1.0 - p;
  switch (form) {
    case ScaleForm::reciprocal_of_rounded_q: operand_ = round_to(1.0 / round_to(q, dtype), dtype); break;
    case ScaleForm::rounded_reciprocal: operand_ = round_to(1.0 / q, dtype); break;
    case ScaleForm::quotient:
      arithmetic_ = Arithmetic::divide;
      operand_ = round_to(q, dtype);
      break;
    case ScaleForm::wide_reciprocal_A:
      arithmetic_ = Arithmetic::multiply_in_f32;
      operand_ = fl32(1.0 / fl32(q));
      break;
    case ScaleForm::wide_reciprocal_B:
      arithmetic_ = Arithmetic::multiply_in_f32;
      operand_ = fl32(1.0 / q);
      break;
    case ScaleForm::reciprocal_of_wide_q: operand_ = round_to(fl32(1.0 / fl32(q)), dtype); break;
    case ScaleForm::wide_quotient:
      arithmetic_ = Arithmetic::divide_in_f32;
      operand_ = fl32(q);
      break;
    case ScaleForm::rounded_gain: operand_ = round_to(alpha_gain(p), dtype); break;
    case ScaleForm::wide_gain:
      arithmetic_ = Arithmetic::multiply_in_f32;
      operand_ = fl32(alpha_gain(p));
      break;
    case ScaleForm::gain_below: operand_ = round_to(std::nextafter(alpha_gain(p), 0.0), dtype); break;
    case ScaleForm::gain_above:
      operand_ = round_to(std::nextafter(alpha_gain(p), std::numeric_limits<double>::infinity()), dtype);
      break;
    case ScaleForm::reciprocal_of_float_q: operand_ = round_to(fl32(1.0 / float_q(p)), dtype); break;
    case ScaleForm::quotient_of_float_q:
      arithmetic_ = Arithmetic::divide;
      operand_ = round_to(float_q(p), dtype);
      break;
    case ScaleForm::wide_reciprocal_of_float_q:
      arithmetic_ = Arithmetic::multiply_in_f32;
      operand_ = fl32(1.0 / float_q(p));
      break;
    case ScaleForm::wide_quotient_of_float_q:
      arithmetic_ = Arithmetic::divide_in_f32;
      operand_ = float_q(p);
      break;
    case ScaleForm::reciprocal_of_f32_q: operand_ = fl32(1.0 / fl32(q)); break;
    case ScaleForm::unscaled: break;  // x * 1
    case ScaleForm::times_q: operand_ = round_to(q, dtype); break;
    case ScaleForm::wide_times_q:
      arithmetic_ = Arithmetic::multiply_in_f32;
      operand_ = fl32(q);
      break;
    case ScaleForm::times_float_q: operand_ = round_to(float_q(p), dtype); break;
    case ScaleForm::wide_times_float_q:
      arithmetic_ = Arithmetic::multiply_in_f32;
      operand_ = float_q(p);
      break;
  }
}

double ScaleRule::operator()(double x) const {
  switch (arithmetic_) {
    case Arithmetic::multiply: return round_to(x * operand_, dtype_);
    case Arithmetic::multiply_in_f32: return round_to(fl32(x * operand_), dtype_);
    case Arithmetic::divide: return round_to(x / operand_, dtype_);
    case Arithmetic::divide_in_f32: return round_to(fl32(x / operand_), dtype_);
  }
  return 0;
}

double kept_value(ScaleForm form, double x, double p, DType dtype) { return ScaleRule(form, p, dtype)(x); }

double kept_gradient(GradientForm form, double dy, double p, DType dtype) {
  return ScaleRule(form, p, dtype)(dy);
}

FormFilter::FormFilter(std::span<const ScaleForm> candidates, double p, DType dtype) {
  for (const ScaleForm form : candidates) rules_.emplace_back(form, p, dtype);
}

void FormFilter::observe(double x, double y) {
  std::erase_if(rules_, [&](const ScaleRule& rule) { return !same(rule(x), y); });
}

void FormFilter::merge(const FormFilter& other) {
  const std::vector<ScaleForm> allowed = other.remaining();
  std::erase_if(rules_, [&](const ScaleRule& rule) {
    return std::find(allowed.begin(), allowed.end(), rule.form()) == allowed.end();
  });
}

std::vector<ScaleForm> FormFilter::remaining() const {
  std::vector<ScaleForm> forms;
  for (const ScaleRule& rule : rules_) forms.push_back(rule.form());
  return forms;
}

std::string FormFilter::description() const {
  std::string text;
  for (const ScaleRule& rule : rules_)
    text += (text.empty() ? "" : " or ") + std::string(to_string(rule.form()));
  return text.empty() ? "none" : text;
}

double unit_roundoff(DType dtype) {
  switch (dtype) {
    case DType::f32: return 0x1p-24;
    case DType::f16: return 0x1p-11;
    case DType::bf16: return 0x1p-8;
    default: return 0x1p-53;
  }
}

AlphaValues alpha_values(double x, double p, DType dtype) {
  const double a = alpha_gain(p);
  const double relative = 4 * unit_roundoff(dtype) + 12 * unit_roundoff(DType::f64);
  return {.kept = a * x + alpha_kept_shift(p),
          .dropped = zeroed(x) + alpha_dropped_shift(p),
          .kept_tolerance = relative * (std::abs(a * x) + kAlpha * a),
          .dropped_tolerance = relative * kAlpha * a};
}

}  // namespace dropcheck::reference
