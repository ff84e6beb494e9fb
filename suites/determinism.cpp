// seed_determinism: S31. The steps of the protocols `determinism` and `threads`, and two calls with the seed
// 0, are compared bit for bit; nothing is statistical.

#include <algorithm>
#include <cmath>

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dense_bytes.hpp"
#include "suites/dialects/row_check.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/judging.hpp"
#include "suites/mask_observer.hpp"

namespace dropcheck::suites {
namespace {

// Steps of the protocol `determinism`; those from kBeforeEval on where the dialect has an eval mode.
enum DeterminismStep : std::size_t {
  kFirst = 0,
  kFirstNext = 1,
  kAgain = 2,
  kAgainNext = 3,
  kOtherSeed = 4,
  kBeforeEval = 5,
  kEval = 6,
  kAfterEval = 7,
};

/// Outputs of all steps of one block, as bytes in logical order, with the seeds that were handed over.
class OutputsObserver final : public MergingObserver<OutputsObserver> {
 public:
  void observe(const StepRecord& record) override {
    outputs.push_back(dense_bytes(record.y));
    if (record.step->problem.threads != 0) threads.push_back(record.step->problem.threads);
  }
  void add(const OutputsObserver&) {}  // exact protocols have one block
  std::vector<std::vector<std::byte>> outputs;
  std::vector<std::uint32_t> threads;
};

/// Two independent masks are equal with probability (p^2 + q^2)^n: below 2^-100 an equality is no
/// coincidence.
bool equality_is_telling(const SampleInfo& sample) {
  const double p = sample.problem.p;
  return -static_cast<double>(mask_count(sample.problem)) * std::log2(p * p + (1 - p) * (1 - p)) >= 100;
}

class OutputsCheck : public Check {
 public:
  using Check::Check;
  Applicability applies(const SampleInfo& sample) const override {
    return draws_mask(sample.problem) ? Applicability::yes() : Applicability::no();
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const final {
    return std::make_unique<OutputsObserver>();
  }
  Judgement judge(const Observer& seen, const JudgeContext& context) const final {
    ExactFinding finding;
    return conclude(static_cast<const OutputsObserver&>(seen), size_of(context.sample.problem.dtype),
                    finding);
  }

 protected:
  virtual Judgement conclude(const OutputsObserver& seen, std::size_t element,
                             ExactFinding& finding) const = 0;
};

/// Compares two steps that must give the same bits.
void must_equal(const OutputsObserver& seen, std::size_t a, std::size_t b, std::size_t element,
                ExactFinding& finding, const char* situation) {
  const std::uint64_t count = differing(seen.outputs[a], seen.outputs[b], element);
  finding.compared(seen.outputs[a].size() / element);
  finding.violated(count, [&] {
    return fmt::format("{}: {} of {} elements differ; they must not", situation, count,
                       seen.outputs[a].size() / element);
  });
}

void must_differ(const OutputsObserver& seen, std::size_t a, std::size_t b, ExactFinding& finding,
                 const char* situation) {
  finding.compared();
  finding.violated(seen.outputs[a] == seen.outputs[b] ? 1 : 0, [&] {
    return fmt::format("{}: the outputs are equal bit for bit; they must differ", situation);
  });
}

class SameSeed final : public OutputsCheck {
 public:
  explicit SameSeed(const Dialect& dialect)
      : OutputsCheck(catalogue_row("seed_determinism.same_seed", dialect)), rule_(dialect.seed) {}
  Judgement conclude(const OutputsObserver& seen, std::size_t element, ExactFinding& finding) const override {
    must_equal(seen, kFirst, kAgain, element, finding, "two calls with the same seed");
    if (rule_ == SeedRule::call) return finding.judgement("the same seed gives the same bits to its call");
    must_equal(seen, kFirstNext, kAgainNext, element, finding, "the second calls after the same seed");
    return finding.judgement("the same seed gives the same bits");
  }

 private:
  SeedRule rule_;
};

class OtherSeed final : public OutputsCheck {
 public:
  OtherSeed() : OutputsCheck(catalogue_row("seed_determinism.other_seed")) {}
  Applicability applies(const SampleInfo& sample) const override {
    return draws_mask(sample.problem) && equality_is_telling(sample) ? Applicability::yes()
                                                                     : Applicability::no();
  }
  Judgement conclude(const OutputsObserver& seen, std::size_t, ExactFinding& finding) const override {
    must_differ(seen, kFirst, kOtherSeed, finding, "calls with two different seeds");
    return finding.judgement("different seeds give different bits");
  }
};

class NextCall final : public OutputsCheck {
 public:
  NextCall() : OutputsCheck(catalogue_row("seed_determinism.next_call")) {}
  Applicability applies(const SampleInfo& sample) const override {
    return draws_mask(sample.problem) && equality_is_telling(sample) ? Applicability::yes()
                                                                     : Applicability::no();
  }
  Judgement conclude(const OutputsObserver& seen, std::size_t, ExactFinding& finding) const override {
    must_differ(seen, kFirst, kFirstNext, finding, "a call and the next one");
    return finding.judgement("the next call draws another mask");
  }
};

class EvalDrawsNothing final : public OutputsCheck {
 public:
  explicit EvalDrawsNothing(const Dialect& dialect)
      : OutputsCheck(catalogue_row("seed_determinism.eval_draws_nothing", dialect)) {}
  Judgement conclude(const OutputsObserver& seen, std::size_t element, ExactFinding& finding) const override {
    must_equal(seen, kFirst, kBeforeEval, element, finding, "the call before an eval call");
    must_equal(seen, kFirstNext, kAfterEval, element, finding,
               "a call after an eval call, against the same one without it");
    return finding.judgement("an eval call leaves the stream where it was");
  }
};

class Threads final : public OutputsCheck {
 public:
  Threads() : OutputsCheck(catalogue_row("seed_determinism.threads")) {}
  Judgement conclude(const OutputsObserver& seen, std::size_t element, ExactFinding& finding) const override {
    for (std::size_t i = 1; i < seen.outputs.size(); ++i) {
      const std::string situation =
          fmt::format("the same seed with {} and {} threads", seen.threads[0], seen.threads[i]);
      must_equal(seen, 0, i, element, finding, situation.c_str());
    }
    return finding.judgement("the number of threads changes no bit");
  }
};

/// The same call twice with the seed 0: entries at p = 1/2, so that two masks are equal by chance with
/// probability 2^-1024.
std::vector<Step> seed_zero_steps() {
  std::vector<Step> steps(2, seeded_step(problem_of(0.5, {1024})));
  for (Step& step : steps) {
    step.seed_slot.reset();
    step.own_seed = 0;
  }
  return steps;
}

class SeedOfZero final : public RepliesCheck {
 public:
  explicit SeedOfZero(const Dialect& dialect)
      : RepliesCheck(catalogue_row("seed_determinism.seed_zero", dialect)), rule_(dialect.seed_zero) {}

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const std::vector<Step> steps = seed_zero_steps();
    RowTrial trial(steps, replies_of(seen), context);
    if (trial.answered(0) && trial.answered(1)) {
      if (rule_ == SeedZero::random)
        trial.require(trial.reply(0).y != trial.reply(1).y, [] {
          return std::string("two calls with the seed 0 give equal bits; it must draw a seed at random");
        });
      else trial.require_equal(0, 1, "two calls with the seed 0");
    }
    return trial.judgement(rule_ == SeedZero::random ? "the seed 0 draws another mask each time"
                                                     : "the seed 0 is a seed like any other");
  }

 private:
  SeedZero rule_;
};

}  // namespace

void add_determinism(Registry& registry, const Dialect& dialect) {
  registry.add_check(std::make_unique<SameSeed>(dialect));
  registry.add_check(std::make_unique<OtherSeed>());
  registry.add_protocol(own_protocol("seed_zero", "the same call twice with the seed 0", seed_zero_steps,
                                     problem_of(0.5, {1024})));
  registry.add_check(std::make_unique<SeedOfZero>(dialect));
  registry.add_check(std::make_unique<NextCall>());
  registry.add_check(std::make_unique<EvalDrawsNothing>(dialect));
  registry.add_check(std::make_unique<Threads>());
}

}  // namespace dropcheck::suites
