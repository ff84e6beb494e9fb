// seed_determinism.forms: a seed reaches every interface to an operator. A layer that draws from a generator
// of its own, or from a global one, gives the operator's masks their seed and itself none.

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dialects/row_check.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {
namespace {

Problem elements() { return problem_of(0.5, {512}); }

constexpr const char* kForms[] = {"module", "functional", "native_dropout"};
constexpr std::size_t kSteps = 3;  // of each form

/// For each form a seed, an ordinary call, and the seed again.
std::vector<Step> form_steps() {
  std::vector<Step> steps;
  for (const char* form : kForms) {
    steps.push_back(through(seeded_step(elements()), form));
    steps.push_back(next_step(elements()));
    steps.push_back(through(seeded_step(elements()), form));
  }
  return steps;
}

class FormSeeds final : public RepliesCheck {
 public:
  explicit FormSeeds(const Dialect& dialect)
      : RepliesCheck(catalogue_row("seed_determinism.forms", dialect)) {}

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const std::vector<Step> steps = form_steps();
    RowTrial trial(steps, replies_of(seen), context);
    for (std::size_t first = 0; first < trial.size(); first += kSteps)
      if (trial.answered(first) && trial.answered(first + 2))
        trial.require_equal(first, first + 2,
                            fmt::format("the same seed through the form {}", kForms[first / kSteps]));
    return trial.judgement("the same seed gives the same bits through every form");
  }
};

}  // namespace

void add_form_seeds(Registry& registry, const Dialect& dialect) {
  registry.add_protocol(
      own_protocol("form_seeds", "one seed twice through each form of the operator", form_steps, elements()));
  registry.add_check(std::make_unique<FormSeeds>(dialect));
}

}  // namespace dropcheck::suites
