// gradient_consistency.recompute: activation checkpointing throws a result away and works it out again in the
// backward pass. Forward again under the same seed, or under the same state of the generator, must then give
// the same mask and the same gradient, whatever was dropped in between; and the stream must go on from there
// as it did before.

#include <map>
#include <tuple>

#include "harness/core/element.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dense_bytes.hpp"
#include "suites/judging.hpp"
#include "suites/mask_observer.hpp"

namespace dropcheck::suites {
namespace {

/// Steps of a block. Those from kOther on need the state of the generator.
enum At : std::size_t {
  kSeeded,         // under the seed
  kBetween,        // under another one
  kSeededAgain,    // as the first
  kOther,          // another seed again, so that the state is not that of a seed alone
  kChecked,        // the state is saved before this call
  kLater,          // the next call: disturbs, and shows how the stream goes on
  kRecomputed,     // the state set
  kLaterAgain,     // the next call after that
  kElsewhere,      // under the first seed
  kRecomputedTwo,  // the state set again, over that seed
  kSteps,
};
constexpr unsigned kState = 0;

Step call_of(const SampleInfo& sample, std::optional<unsigned> slot) {
  Step step;
  step.problem = sample.problem;
  step.problem.seed.reset();
  step.problem.calls.reset();
  if (!slot) step.problem.offset = 0;
  step.seed_slot = slot;
  step.input = Input::random_integers;
  step.upstream = Input::random_reals;
  return step;
}

std::vector<Step> recompute_steps(const SampleInfo& sample, std::uint64_t) {
  std::vector<Step> steps;
  for (std::size_t at = kSeeded; at < kSteps; ++at) {
    const bool first = at == kSeeded || at == kSeededAgain || at == kElsewhere;
    const bool second = at == kBetween || at == kOther;
    steps.push_back(call_of(sample, first ? std::optional(0u) : second ? std::optional(1u) : std::nullopt));
    Step& step = steps.back();
    if (at == kChecked) step.save_state = kState;
    if (at == kRecomputed || at == kRecomputedTwo) step.load_state = kState;
    step.skip_unclaimed = step.save_state || step.load_state;
  }
  return steps;
}

/// What one call brought.
struct Brought {
  MaskBits mask;
  std::vector<std::byte> y, dx;
};

class RecomputeObserver final : public MergingObserver<RecomputeObserver> {
 public:
  void observe(const StepRecord& record) override {
    if (record.index == 0) brought_.clear();
    if (!record.observation->has_value() || record.dropped == nullptr || record.gradient == nullptr ||
        !record.gradient->has_value())
      return;
    brought_[record.index] = {*record.dropped, dense_bytes(record.y), dense_bytes(record.dx)};
    require_equal(record, kSeeded, kSeededAgain, "forward again under the same seed");
    require_equal(record, kChecked, kRecomputed, "forward again under the saved state of the generator");
    if (brought_.contains(kRecomputed))
      require_equal(record, kLater, kLaterAgain, "the call after the one that was worked out again");
    require_equal(record, kChecked, kRecomputedTwo,
                  "forward again under the saved state, after another seed was set");
  }
  void add(const RecomputeObserver& later) {
    finding.merge(later.finding);
    states += later.states;
  }
  ExactFinding finding;
  std::uint64_t states = 0;  // calls that were compared after the state was set

 private:
  /// When `record` is the second of the two.
  void require_equal(const StepRecord& record, std::size_t first, std::size_t second, const char* what) {
    if (record.index != second || !brought_.contains(first)) return;
    const Brought &a = brought_[first], &b = brought_[second];
    const Problem& problem = record.step->problem;
    if (second >= kRecomputed) ++states;
    finding.compared(2 * a.mask.size());
    const std::uint64_t other = a.mask.size() == b.mask.size() ? hamming_distance(a.mask, b.mask) : 1;
    finding.violated(other, [&] {
      return fmt::format(
          "{}: the masks agree on {:.4g} of {} elements; they must agree on all (two independent masks would "
          "agree on p^2 + q^2 = {:.4g})",
          what, 1 - static_cast<double>(other) / static_cast<double>(a.mask.size()), a.mask.size(),
          problem.p * problem.p + (1 - problem.p) * (1 - problem.p));
    });
    const std::size_t size = size_of(problem.dtype);
    for (const auto& [name, one, two] :
         {std::tuple{"output", &a.y, &b.y}, std::tuple{"gradient", &a.dx, &b.dx}})
      finding.violated(other > 0 ? 0 : differing(*one, *two, size),
                       [&, &name = name, &one = one, &two = two] {
                         return fmt::format("{}: the mask is the same and {} of {} elements of the {} differ",
                                            what, differing(*one, *two, size), a.mask.size(), name);
                       });
  }

  std::map<std::size_t, Brought> brought_;
};

class Recompute final : public Check {
 public:
  explicit Recompute(const Dialect& dialect)
      : Check(catalogue_row("gradient_consistency.recompute", dialect)) {}
  Applicability applies(const SampleInfo& sample) const override {
    return draws_mask(sample.problem) ? Applicability::yes() : Applicability::no();
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<RecomputeObserver>();
  }
  Judgement judge(const Observer& seen, const JudgeContext&) const override {
    const auto& found = static_cast<const RecomputeObserver&>(seen);
    return found.finding.judgement(
        found.states > 0
            ? "forward again gives the same mask and gradient, under the same seed and the same state"
            : "forward again under the same seed gives the same mask and gradient; left out: the state of "
              "the "
              "generator cannot be saved and set");
  }
};

}  // namespace

void add_gradient_recompute(Registry& registry, const Dialect& dialect) {
  registry.add_protocol({.id = "recompute",
                         .summary =
                             "forward and backward again, under the same seed and under a saved state, "
                             "with other calls in between",
                         .default_calls = kSteps,
                         .steps = recompute_steps,
                         .needs = {Feature::backward, Feature::seeds}});
  registry.add_check(std::make_unique<Recompute>(dialect));
}

}  // namespace dropcheck::suites
