#include "reference/scale_forms.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

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

bool is_half(DType dtype) { return dtype == DType::f16 || dtype == DType::bf16; }

double fl32(double value) { return static_cast<double>(static_cast<float>(value)); }

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
  }
  return "unknown";
}

std::span<const ScaleForm> scale_forms(DType dtype) {
  return std::span(kForms).first(is_half(dtype) ? kForms.size() : kNarrowForms);
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
