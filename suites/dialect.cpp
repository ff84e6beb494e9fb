#include "suites/dialect.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "harness/core/invariant.hpp"
#include "suites/dialect_file.hpp"
#include "suites/dialect_words.hpp"

namespace dropcheck::suites {
namespace {

using reference::ScaleForm;

std::size_t index_of(DType dtype) {
  const auto at = std::find(kFloatDTypes.begin(), kFloatDTypes.end(), dtype);
  DROPCHECK_CHECK(at != kFloatDTypes.end());
  return static_cast<std::size_t>(at - kFloatDTypes.begin());
}

std::string resolution_text(const Dialect& dialect) {
  std::vector<std::string> parts;
  for (const DType dtype : kFloatDTypes)
    parts.push_back(fmt::format("{} {:.3g}", to_string(dtype), dialect.rate_limit(dtype)));
  return fmt::format("{}", fmt::join(parts, ", "));
}

/// Forms that the dialect knows and PyTorch's does not.
std::size_t further_forms(const Dialect& dialect) {
  const auto& known = pytorch_dialect().roundings;
  return static_cast<std::size_t>(std::count_if(
      dialect.roundings.begin(), dialect.roundings.end(),
      [&](ScaleForm form) { return std::find(known.begin(), known.end(), form) == known.end(); }));
}

/// What a value lets pass that PyTorch's would not; empty where nothing.
std::string allows(const Dialect& dialect, Axis axis) {
  switch (axis) {
    case Axis::p_domain:
      return dialect.p_domain == PDomain::below_one ? "p = 1 is no probability that can be asked for" : "";
    case Axis::p_type:
      return dialect.p_type == PType::f32
                 ? "a p outside its domain is accepted where f32 rounds it into the domain, such as 1 + 2^-52"
                 : "";
    case Axis::bad_p:
      switch (dialect.bad_p) {
        case BadP::refused: return "";
        case BadP::refused_in_training: return "eval mode accepts a p outside [0, 1] or NaN";
        case BadP::unspecified: return "a p outside [0, 1] or NaN is accepted, with whatever result";
      }
      break;
    case Axis::p_one:
      switch (dialect.p_one) {
        case AtOne::zeros: return "";
        case AtOne::input: return "p = 1 returns the input instead of zeros";
        case AtOne::refused: return "p = 1 is an error instead of zeros";
        case AtOne::unspecified: return "p = 1 does anything: it is not tried";
      }
      break;
    case Axis::scale:
      return dialect.scale == TrainScale::none ? "kept elements are not divided by q: E[y] is q x in training"
                                               : "";
    case Axis::roundings: {
      const std::size_t further = further_forms(dialect);
      return further == 0 ? ""
                          : fmt::format("kept values follow one of {} more ways of rounding x / q", further);
    }
    case Axis::eval:
      switch (dialect.eval) {
        case EvalRule::identity: return "";
        case EvalRule::times_q: return "eval mode multiplies by q instead of returning its input";
        case EvalRule::none: return "there is no eval mode: nothing is asked of it";
      }
      break;
    case Axis::dropped:
      switch (dialect.dropped) {
        case DroppedRule::multiply: return "";
        case DroppedRule::select:
          return "dropping NaN, an infinity or a negative number gives +0, which hides a NaN from what "
                 "follows";
        case DroppedRule::unspecified:
          return "dropping NaN, an infinity or a negative number gives anything: it is not tried";
      }
      break;
    case Axis::seed:
      switch (dialect.seed) {
        case SeedRule::stream: return "";
        case SeedRule::call:
          return "calls that follow a seeded one without a seed of their own repeat or not";
        case SeedRule::life: return "a seed cannot be set again once an instance is made";
        case SeedRule::none: return "the same seed gives other masks";
      }
      break;
    case Axis::seed_zero:
      switch (dialect.seed_zero) {
        case SeedZero::a_seed: return "";
        case SeedZero::random: return "seed 0 draws a seed at random";
        case SeedZero::unspecified: return "seed 0 means anything: it is not tried";
      }
      break;
    case Axis::gradient:
      return dialect.gradient == GradientRule::unspecified ? "gradients are anything: they are not asked for"
                                                           : "";
    case Axis::resolution: {
      std::vector<std::string> coarser;
      for (const DType dtype : kFloatDTypes)
        if (dialect.rate_limit(dtype) > pytorch_dialect().rate_limit(dtype))
          coarser.push_back(fmt::format("{:.3g} in {}", dialect.rate_limit(dtype), to_string(dtype)));
      return coarser.empty() ? ""
                             : fmt::format("a backend declares a drop probability that is off by up to {}",
                                           fmt::join(coarser, ", "));
    }
  }
  return "";
}

}  // namespace

std::string_view axis_name(Axis axis) {
  switch (axis) {
    case Axis::p_domain: return "domain of p";
    case Axis::p_type: return "type of p";
    case Axis::bad_p: return "bad p";
    case Axis::p_one: return "p = 1";
    case Axis::scale: return "scale in training";
    case Axis::roundings: return "roundings";
    case Axis::eval: return "eval mode";
    case Axis::dropped: return "dropped elements";
    case Axis::seed: return "seeds";
    case Axis::seed_zero: return "seed 0";
    case Axis::gradient: return "gradients";
    case Axis::resolution: return "resolution of p";
  }
  return "unknown";
}

double Dialect::seen_p(double p) const {
  return p_type == PType::f32 ? static_cast<double>(static_cast<float>(p)) : p;
}

double Dialect::rate_limit(DType dtype) const { return resolution[index_of(dtype)]; }

std::vector<ScaleForm> Dialect::kept_forms(DType dtype) const {
  if (scale == TrainScale::none) return {ScaleForm::unscaled};
  std::vector<ScaleForm> forms;
  for (const auto& known : {reference::scale_forms(dtype), reference::float_scale_forms(dtype)})
    for (const ScaleForm form : known)
      if (std::find(roundings.begin(), roundings.end(), form) != roundings.end()) forms.push_back(form);
  return forms;
}

std::vector<ScaleForm> Dialect::gradient_forms(Op op, DType dtype) const {
  if (!is_alpha(op)) return kept_forms(dtype);
  const auto exact = reference::gradient_forms(op, dtype);
  std::vector<ScaleForm> forms(exact.begin(), exact.end());
  if (roundings != pytorch_dialect().roundings)
    for (const ScaleForm form : reference::near_gain_forms(dtype)) forms.push_back(form);
  return forms;
}

const Dialect& pytorch_dialect() {
  static const Dialect dialect = builtin_dialect("pytorch");
  return dialect;
}

std::string value_text(const Dialect& dialect, Axis axis) {
  switch (axis) {
    case Axis::p_domain: return std::string(word_of(dialect.p_domain));
    case Axis::p_type: return std::string(word_of(dialect.p_type));
    case Axis::bad_p: return std::string(word_of(dialect.bad_p));
    case Axis::p_one: return std::string(word_of(dialect.p_one));
    case Axis::scale: return std::string(word_of(dialect.scale));
    case Axis::roundings: {
      if (dialect.roundings.empty()) return kNoRounding;
      if (dialect.roundings == all_roundings()) return kAnyRounding;
      std::vector<std::string_view> names;
      for (const ScaleForm form : dialect.roundings) names.push_back(reference::name_of(form));
      return fmt::format("{}", fmt::join(names, ", "));
    }
    case Axis::eval: return std::string(word_of(dialect.eval));
    case Axis::dropped: return std::string(word_of(dialect.dropped));
    case Axis::seed: return std::string(word_of(dialect.seed));
    case Axis::seed_zero: return std::string(word_of(dialect.seed_zero));
    case Axis::gradient: return std::string(word_of(dialect.gradient));
    case Axis::resolution: return resolution_text(dialect);
  }
  return "unknown";
}

bool agrees_with_pytorch(const Dialect& dialect, Axis axis) {
  if (axis == Axis::resolution) return dialect.resolution == pytorch_dialect().resolution;
  return value_text(dialect, axis) == value_text(pytorch_dialect(), axis);
}

std::string rule_text(const Dialect& dialect, Axis axis) {
  switch (axis) {
    case Axis::p_domain: return dialect.p_domain == PDomain::closed ? "p lies in [0, 1]" : "p lies in [0, 1)";
    case Axis::p_type:
      return dialect.p_type == PType::f64 ? "p is an f64" : "p is rounded to f32 before anything looks at it";
    case Axis::bad_p:
      switch (dialect.bad_p) {
        case BadP::refused: return "a p outside its domain is refused, in training and in eval";
        case BadP::refused_in_training: return "a p outside its domain is refused in training only";
        case BadP::unspecified: return "what a p outside its domain does is not specified";
      }
      break;
    case Axis::p_one:
      switch (dialect.p_one) {
        case AtOne::zeros: return "p = 1 gives zeros";
        case AtOne::input: return "p = 1 returns the input";
        case AtOne::refused: return "p = 1 is refused";
        case AtOne::unspecified: return "what p = 1 does is not specified";
      }
      break;
    case Axis::scale:
      return dialect.scale == TrainScale::over_q ? "training divides kept elements by q"
                                                 : "training does not scale";
    case Axis::roundings:
      if (dialect.roundings.empty()) return "nothing is scaled, so nothing is rounded";
      return fmt::format("kept values are rounded in one of {} known ways", dialect.roundings.size());
    case Axis::eval:
      switch (dialect.eval) {
        case EvalRule::identity: return "eval mode returns its input";
        case EvalRule::times_q: return "eval mode multiplies by q";
        case EvalRule::none: return "there is no eval mode";
      }
      break;
    case Axis::dropped:
      switch (dialect.dropped) {
        case DroppedRule::multiply:
          return "a dropped element is multiplied by 0: NaN stays, an infinity becomes NaN, the sign stays";
        case DroppedRule::select: return "a dropped element is +0, whatever it was";
        case DroppedRule::unspecified:
          return "what dropping makes of NaN, infinities and signs is not specified";
      }
      break;
    case Axis::seed:
      switch (dialect.seed) {
        case SeedRule::stream: return "a seed fixes the masks of a call and of those that follow it";
        case SeedRule::call: return "a seed fixes the mask of the one call that it is given to";
        case SeedRule::life: return "a seed fixes the masks of an instance from its making on";
        case SeedRule::none: return "nothing is promised for a seed";
      }
      break;
    case Axis::seed_zero:
      switch (dialect.seed_zero) {
        case SeedZero::a_seed: return "0 is a seed like any other";
        case SeedZero::random: return "seed 0 draws a seed at random";
        case SeedZero::unspecified: return "what seed 0 means is not specified";
      }
      break;
    case Axis::gradient:
      return dialect.gradient == GradientRule::as_forward
                 ? "a gradient has the mask and the scale of its call"
                 : "gradients are not specified";
    case Axis::resolution:
      return fmt::format("a declared drop probability is off by at most {}", resolution_text(dialect));
  }
  return "unknown";
}

std::string reason_text(const Dialect& dialect, Axis axis) {
  return fmt::format("dialect {}: {}", dialect.name, rule_text(dialect, axis));
}

std::string differs_there(const Dialect& dialect, std::span<const Axis> axes) {
  for (const Axis axis : axes)
    if (!agrees_with_pytorch(dialect, axis)) return reason_text(dialect, axis);
  return {};
}

std::vector<DialectRule> rules_of(const Dialect& dialect) {
  std::vector<DialectRule> rules;
  for (const Axis axis : kAllAxes)
    rules.push_back({std::string(axis_name(axis)), rule_text(dialect, axis), allows(dialect, axis)});
  return rules;
}

std::string content_text(const Dialect& dialect) {
  std::string text = fmt::format("dialect {}\n", dialect.name);
  for (const Axis axis : kAllAxes)
    if (axis != Axis::resolution)
      text += fmt::format("  {}: {}\n", axis_name(axis), value_text(dialect, axis));
  text += fmt::format("  {}: {}\n", axis_name(Axis::resolution), fmt::join(dialect.resolution, " "));
  return text;
}

}  // namespace dropcheck::suites
