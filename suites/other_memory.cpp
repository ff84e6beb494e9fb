// seed_determinism.other_memory: a mask depends on the seed and not on where its tensors, or the seed, happen
// to lie. The same seed is asked for again while the tensors of the first call still occupy their memory.

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dialects/row_check.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {
namespace {

Problem elements() { return problem_of(0.5, {1024}); }

std::vector<Step> memory_steps() {
  std::vector<Step> steps(3, seeded_step(elements(), Input::random_integers));
  steps[1].other_memory = steps[2].other_memory = true;
  Step channels = seeded_step(problem_of(0.5, {4, 64, 2, 1}, DType::f32, Op::dropout2d), Input::ones);
  steps.push_back(channels);
  channels.other_memory = true;
  steps.push_back(channels);
  return steps;
}

class OtherMemory final : public RepliesCheck {
 public:
  explicit OtherMemory(const Dialect& dialect)
      : RepliesCheck(catalogue_row("seed_determinism.other_memory", dialect)) {}

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const std::vector<Step> steps = memory_steps();
    RowTrial trial(steps, replies_of(seen), context);
    for (const auto& [a, b] : {std::pair{0u, 1u}, std::pair{0u, 2u}, std::pair{3u, 4u}})
      if (trial.answered(a) && trial.answered(b))
        trial.require_equal(a, b, "the same seed with tensors at other addresses");
    return trial.judgement("the same seed gives the same bits wherever the tensors lie");
  }
};

}  // namespace

void add_other_memory(Registry& registry, const Dialect& dialect) {
  registry.add_protocol(
      own_protocol("other_memory", "one seed with tensors at different addresses", memory_steps, elements()));
  registry.add_check(std::make_unique<OtherMemory>(dialect));
}

}  // namespace dropcheck::suites
