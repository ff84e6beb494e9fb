// seed_determinism.fresh_process, .independent_ranks and .equal_ranks: instances of a backend beside the one
// of the run, each a process of its own where the backend lives in one. Masks are compared bit for bit.

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dialects/row_check.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {
namespace {

/// At p = 1/2 two masks are equal by chance with probability 2^-1024.
Problem elements() { return problem_of(0.5, {1024}); }
Problem channels() { return problem_of(0.5, {8, 128, 2, 1}, DType::f32, Op::dropout2d); }

Step asked_of(Instance instance, Step step) {
  step.instance = instance;
  return step;
}

/// The same calls of two instances: a seed, a call that goes on, a seed for an operator on channels.
constexpr std::size_t kCallsOfInstance = 3;

std::vector<Step> fresh_steps() {
  std::vector<Step> steps;
  for (const Instance& instance : {Instance{}, Instance{1, 0, 1}})
    for (Step step : {seeded_step(elements()), next_step(elements()), seeded_step(channels())})
      steps.push_back(asked_of(instance, std::move(step)));
  return steps;
}

class FreshProcess final : public RepliesCheck {
 public:
  explicit FreshProcess(const Dialect& dialect)
      : RepliesCheck(catalogue_row("seed_determinism.fresh_process", dialect)), rule_(dialect.seed) {}

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const std::vector<Step> steps = fresh_steps();
    RowTrial trial(steps, replies_of(seen), context);
    for (std::size_t i = 0; i < kCallsOfInstance; ++i) {
      if (!trial.step(i).seed_slot && rule_ != SeedRule::stream) continue;
      if (trial.answered(i) && trial.answered(i + kCallsOfInstance))
        trial.require_equal(i, i + kCallsOfInstance, "the same call after the same seed in another process");
    }
    return trial.judgement("another process draws the same masks after the same seed");
  }

 private:
  SeedRule rule_;
};

/// One seed on every rank, twice.
constexpr std::uint32_t kRanks = 3;

std::vector<Step> rank_steps() {
  std::vector<Step> steps;
  for (int turn = 0; turn < 2; ++turn)
    for (std::uint32_t rank = 0; rank < kRanks; ++rank)
      steps.push_back(asked_of({1 + rank, rank, kRanks}, seeded_step(elements())));
  return steps;
}

/// Each rank has the same mask after the same seed. Returns whether all steps could be compared.
bool require_repeats(RowTrial& trial) {
  bool all = true;
  for (std::size_t i = 0; i < trial.size(); ++i) all = trial.answered(i) && all;
  if (!all) return false;
  for (std::size_t rank = 0; rank < kRanks; ++rank)
    trial.require_equal(rank, rank + kRanks, "the same seed twice on one rank");
  return true;
}

class IndependentRanks final : public RepliesCheck {
 public:
  IndependentRanks() : RepliesCheck(catalogue_row("seed_determinism.independent_ranks")) {}

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const std::vector<Step> steps = rank_steps();
    RowTrial trial(steps, replies_of(seen), context);
    if (require_repeats(trial))
      for (std::size_t b = 1; b < kRanks; ++b)
        for (std::size_t a = 0; a < b; ++a)
          trial.require(trial.reply(a).y != trial.reply(b).y, [&] {
            return fmt::format(
                "the ranks {} and {} of {} draw the same mask of {} entries after one seed; the backend "
                "promises independent_ranks",
                a, b, kRanks, element_count(elements().shape));
          });
    return trial.judgement("ranks draw different masks after one seed");
  }
};

class EqualRanks final : public RepliesCheck {
 public:
  EqualRanks() : RepliesCheck(catalogue_row("seed_determinism.equal_ranks")) {}

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const std::vector<Step> steps = rank_steps();
    RowTrial trial(steps, replies_of(seen), context);
    if (require_repeats(trial))
      for (std::size_t rank = 1; rank < kRanks; ++rank)
        trial.require_equal(0, rank, "one seed on two ranks, which the backend promises to be equal");
    return trial.judgement("ranks draw the same mask after one seed");
  }
};

}  // namespace

void add_seed_instances(Registry& registry, const Dialect& dialect) {
  registry.add_protocol(own_protocol("fresh_process", "the same calls of two instances of the backend",
                                     fresh_steps, elements()));
  registry.add_check(std::make_unique<FreshProcess>(dialect));
  registry.add_protocol(
      own_protocol("ranks", "one seed on three instances of different ranks", rank_steps, elements()));
  registry.add_check(std::make_unique<IndependentRanks>());
  registry.add_check(std::make_unique<EqualRanks>());
}

}  // namespace dropcheck::suites
