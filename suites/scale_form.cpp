// pytorch_semantics.scale_form: the fingerprint of an implementation, which of the known ways of rounding x /
// q it follows, forward and backward. A fact to report; unbiasedness.kept_value judges.

#include <array>
#include <map>

#include "harness/core/element.hpp"
#include "reference/scale_forms.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dialects/row_check.hpp"
#include "suites/dialects/row_steps.hpp"

namespace dropcheck::suites {
namespace {

// At each of these the forms differ in the last bit of the factor, in f32 or in a half type.
constexpr std::array kProbabilities = {0.15, 0.4, 0.05};
constexpr std::int64_t kElements = 1000;

std::vector<Step> form_steps() {
  std::vector<Step> steps;
  for (const DType dtype : kFloatDTypes)
    for (const double p : kProbabilities) {
      steps.push_back(seeded_step(problem_of(p, {kElements}, dtype), Input::random_reals));
      steps.push_back(steps.back());
      steps.back().upstream = Input::random_reals;
    }
  return steps;
}

/// The forms that agree with every kept element of every p.
class Survivors {
 public:
  void look(std::span<const reference::ScaleForm> candidates, const Step& step,
            const std::vector<std::byte>& in, const std::vector<std::byte>& out) {
    const DType dtype = step.problem.dtype;
    reference::FormFilter filter(candidates, step.problem.p, dtype);
    for (std::size_t at = 0; at < out.size(); at += size_of(dtype)) {
      const double y = load_element(out.data() + at, dtype);
      if (y == 0) continue;
      filter.observe(load_element(in.data() + at, dtype), y);
      ++compared;
    }
    const std::vector<reference::ScaleForm> left = filter.remaining();
    if (!forms) {
      forms = left;
      return;
    }
    std::erase_if(*forms, [&](reference::ScaleForm form) {
      return std::find(left.begin(), left.end(), form) == left.end();
    });
  }

  std::optional<std::vector<reference::ScaleForm>> forms;
  std::uint64_t compared = 0;
};

std::string text_of(const std::vector<reference::ScaleForm>& forms) {
  std::string text;
  for (const reference::ScaleForm form : forms)
    text.append(text.empty() ? "" : " = ").append(reference::to_string(form));
  return forms.empty() ? "no form that is known" : text;
}

class ScaleFormCheck final : public RepliesCheck {
 public:
  explicit ScaleFormCheck(const Dialect& dialect)
      : RepliesCheck(catalogue_row("pytorch_semantics.scale_form")), dialect_(dialect) {}
  Judgement judge(const Observer& seen, const JudgeContext&) const override {
    const std::vector<Step> steps = form_steps();
    std::map<DType, Survivors> forward, backward;
    for (const Reply& reply : replies_of(seen)) {
      if (!reply.answered()) continue;
      const Step& step = steps[reply.index];
      const DType dtype = step.problem.dtype;
      if (!step.upstream) forward[dtype].look(dialect_.kept_forms(dtype), step, reply.x, reply.y);
      else if (!reply.dx.empty())
        backward[dtype].look(dialect_.gradient_forms(Op::dropout, dtype), step, reply.dy, reply.dx);
    }
    Judgement judgement;
    for (const auto& [dtype, found] : forward) {
      const auto gradient = backward.find(dtype);
      judgement.comparisons += found.compared;
      judgement.message.append(fmt::format("{}{}: {}", judgement.message.empty() ? "" : "; ",
                                           to_string(dtype), text_of(*found.forms)));
      bool known = !found.forms->empty();
      if (gradient != backward.end()) {
        judgement.comparisons += gradient->second.compared;
        known = known && !gradient->second.forms->empty();
        judgement.message.append(gradient->second.forms == found.forms
                                     ? ", gradient alike"
                                     : fmt::format(", gradient {}", text_of(*gradient->second.forms)));
      }
      if (!known) judgement.verdict = Verdict::fail;
    }
    return judgement;
  }

 private:
  Dialect dialect_;
};

}  // namespace

void add_scale_form(Registry& registry, const Dialect& dialect) {
  registry.add_protocol(own_protocol("scale_form",
                                     "reals of every dtype at drop probabilities that tell roundings apart",
                                     form_steps, problem_of(kProbabilities[0], {kElements})));
  registry.add_check(std::make_unique<ScaleFormCheck>(dialect));
}

}  // namespace dropcheck::suites
