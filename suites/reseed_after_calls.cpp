// seed_determinism.reseed_after_calls: a seed begins its stream again whatever was called in between. A state
// that is made once and kept, for a device, a shape or a layer, survives the second seed; one that all
// instances in a process share may be moved or made anew by another of them.

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dialects/row_check.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {
namespace {

Problem elements() { return problem_of(0.5, {600}); }

/// Ends with the two calls that it begins with.
std::vector<Step> steps_around(bool has_eval) {
  std::vector<Step> steps = {seeded_step(elements()), next_step(elements()), next_step(elements())};
  if (has_eval) steps.push_back(next_step(in_eval(elements())));
  steps.push_back(next_step(problem_of(0.5, {7, 33})));
  steps.push_back(next_step(problem_of(0.5, {3, 50, 2, 2}, DType::f32, Op::dropout2d)));
  steps.push_back(next_step(problem_of(0.5, {600}, DType::f64)));
  steps.push_back(seeded_step(elements(), Input::ones, 1));
  steps.push_back(next_step(problem_of(0.3, {600})));
  for (Step step : {seeded_step(elements(), Input::ones, 2), next_step(elements())}) {
    step.instance = {.number = 1};
    steps.push_back(step);
  }
  steps.push_back(seeded_step(elements()));
  steps.push_back(next_step(elements()));
  return steps;
}

std::vector<Step> steps_with_eval() { return steps_around(true); }
std::vector<Step> steps_without_eval() { return steps_around(false); }

class ReseedAfterCalls final : public RepliesCheck {
 public:
  explicit ReseedAfterCalls(const Dialect& dialect)
      : RepliesCheck(catalogue_row("seed_determinism.reseed_after_calls", dialect)),
        rule_(dialect.seed),
        has_eval_(dialect.has_eval()) {}

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const std::vector<Step> steps = steps_around(has_eval_);
    RowTrial trial(steps, replies_of(seen), context);
    const std::size_t again = steps.size() - 2;
    if (trial.answered(0) && trial.answered(again))
      trial.require_equal(
          0, again, "the same seed before and after other calls, another seed and calls of another instance");
    if (rule_ == SeedRule::stream && trial.answered(1) && trial.answered(again + 1))
      trial.require_equal(1, again + 1, "the second call after it, before and after other calls");
    return trial.judgement("a seed begins its stream again after whatever was called");
  }

 private:
  SeedRule rule_;
  bool has_eval_;
};

}  // namespace

void add_reseed_after_calls(Registry& registry, const Dialect& dialect) {
  registry.add_protocol(own_protocol(
      "reseed_after_calls", "a seed, calls of other shapes, operators and instances, the first seed again",
      dialect.has_eval() ? steps_with_eval : steps_without_eval, elements()));
  registry.add_check(std::make_unique<ReseedAfterCalls>(dialect));
}

}  // namespace dropcheck::suites
