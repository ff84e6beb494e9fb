// seed_determinism.coupled_thresholds: for who promises it, p is only what one number an entry is compared
// with: after one seed, whatever is dropped at p is dropped at every larger p (common random numbers).

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dialects/row_check.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {
namespace {

constexpr double kRising[] = {0.05, 0.1, 0.25, 0.3, 0.5, 0.51, 0.75, 0.9};
constexpr std::int64_t kEntries = 2048;

std::vector<Step> coupled_steps() {
  std::vector<Step> steps;
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const double p : kRising) steps.push_back(seeded_step(problem_of(p, {kEntries}, dtype)));
  return steps;
}

class CoupledThresholds final : public RepliesCheck {
 public:
  CoupledThresholds() : RepliesCheck(catalogue_row("seed_determinism.coupled_thresholds")) {}

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const std::vector<Step> steps = coupled_steps();
    RowTrial trial(steps, replies_of(seen), context);
    for (std::size_t i = 1; i < trial.size(); ++i) {
      const Problem &low = trial.step(i - 1).problem, &high = trial.step(i).problem;
      if (low.dtype != high.dtype) continue;
      if (!trial.answered(i - 1) || !trial.answered(i)) continue;
      const std::vector<bool> before = trial.dropped(i - 1), after = trial.dropped(i);
      std::uint64_t dropped = 0, kept_again = 0;
      for (std::size_t e = 0; e < before.size(); ++e) {
        dropped += before[e] ? 1 : 0;
        kept_again += before[e] && !after[e] ? 1 : 0;
      }
      trial.require_all(dropped, kept_again, [&] {
        return fmt::format(
            "after one seed, {} of the {} entries that p = {} drops are kept at p = {}; the backend promises "
            "coupled_thresholds",
            kept_again, dropped, low.p, high.p);
      });
    }
    return trial.judgement("what is dropped at p is dropped at every larger p");
  }
};

}  // namespace

void add_coupled_thresholds(Registry& registry) {
  registry.add_protocol(own_protocol("coupled_thresholds", "one seed with rising drop probabilities",
                                     coupled_steps, problem_of(0.5, {kEntries})));
  registry.add_check(std::make_unique<CoupledThresholds>());
}

}  // namespace dropcheck::suites
