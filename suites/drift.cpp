// mask_rate.drift: S14, where in a sample the drops lie. The walk of the drops against p, and the positions
// of the drops against an even spread, whatever their number.

#include <cmath>

#include "harness/stats/position_drift.hpp"
#include "harness/stats/walk.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/chunk_observer.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {
namespace {

constexpr const char* kUnit = "half/half step of the drop probability";
constexpr const char* kWalk = "walk";
constexpr const char* kPositions = "position of drops";

stats::SegmentPlan segments_of(const SampleInfo& sample) {
  return {sample.blocks, sample.calls * static_cast<std::uint64_t>(mask_count(sample.problem))};
}

/// Blocks come in order: the walk goes on where the block before left it.
class DriftObserver final : public MergingObserver<DriftObserver> {
 public:
  explicit DriftObserver(const stats::SegmentPlan& plan) : segments(plan) {}
  void observe_chunk(const Chunk& chunk) override {
    if (chunk.order != Order::logical) return;
    walk.add(chunk);
    segments.add(chunk);
  }
  void add(const DriftObserver& later) {
    walk.append(later.walk);
    segments.merge(later.segments);
  }
  stats::WalkState walk;
  stats::SegmentCounts segments;
};

class Drift final : public Check {
 public:
  Drift() : Check(catalogue_row("mask_rate.drift")) {}

  Applicability applies(const SampleInfo& sample) const override {
    if (!needs_arrangement(sample).applies) return needs_arrangement(sample);
    if (!stats::walk_is_valid(sample.mask_entries(), sample.problem.p))
      return Applicability::rule_fails("fewer than 16384 mask entries, or n p q below 32768 (1 - 2p)^2");
    return Applicability::yes();
  }
  unsigned hypotheses(const SampleInfo&) const override { return 2; }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    const MinimumDetectableEffect walk = walk_effect(sample, alpha, beta);
    const MinimumDetectableEffect positions = position_effect(sample, alpha, beta);
    return walk.value > positions.value ? walk : positions;
  }
  std::unique_ptr<Observer> observer(const SampleInfo& sample) const override {
    return std::make_unique<DriftObserver>(segments_of(sample));
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& drift = static_cast<const DriftObserver&>(seen);
    std::vector<Statistic> statistics;
    // The integers of the walk hold p: it cannot be tested for another one.
    if (drift.walk.p() == context.p && stats::walk_is_valid(drift.walk.entries(), context.p))
      statistics.push_back(walk(drift.walk, context));
    const auto positions = stats::position_drift_test(drift.segments);
    if (positions) statistics.push_back(position(drift.segments, *positions, context));
    if (statistics.empty() && !context.recentred)
      return invalid("too few drops or keeps for a test of where they lie");
    const std::uint64_t entries = drift.walk.entries();
    return judge_statistics(std::move(statistics), entries, [&](const Statistic& s) {
      if (s.name == kWalk)
        return fmt::format(
            "the number of drops runs up to {:.6g} away from p = {} times the entries drawn, over {} mask "
            "entries: as far as a rate of {:.6g} more in one half of them and less in the other would take "
            "it",
            s.effect->value * static_cast<double>(entries) / 2, context.p, entries, s.effect->value);
      const double share =
          static_cast<double>(positions->segment + 1) / static_cast<double>(drift.segments.drops().size());
      return fmt::format(
          "drops are not spread evenly over the {} mask entries of the sample: the first {:.3g} % hold too "
          "many or too few; the rate may drift, or a part may be drawn or written otherwise",
          entries, 100 * share);
    });
  }

 private:
  static MinimumDetectableEffect walk_effect(const SampleInfo& sample, double alpha, double beta) {
    return {stats::walk_min_effect(sample.mask_entries(), alpha, beta, sample.problem.p), kUnit, 1 - beta};
  }
  static MinimumDetectableEffect position_effect(const SampleInfo& sample, double alpha, double beta) {
    return {stats::position_drift_min_effect(sample.mask_entries(), segments_of(sample).segments(), alpha,
                                             beta, sample.problem.p),
            kUnit, 1 - beta};
  }

  static Statistic walk(const stats::WalkState& state, const JudgeContext& context) {
    const stats::WalkTest test = stats::walk_test(state);
    Statistic s;
    s.id = "S14";
    s.name = kWalk;
    s.counts = {{"n", {state.entries()}},
                {"highest", {state.highest()}},
                {"lowest", {state.lowest()}},
                {"end", {state.sum()}}};
    s.null_law = "largest distance of a Brownian motion, 4 Q(x) - 4 Q(3x) + ..., x = max |W| / sqrt(n p q)";
    s.null_parameters = {{"p", context.p}, {"unit", stats::WalkState::kUnit}};
    s.value = test.statistic;
    set_tail(s, test.tail, context.alpha);
    s.effect = Effect{test.step, kUnit, std::nullopt, std::nullopt};
    s.minimum_detectable_effect = walk_effect(context.sample, context.alpha, kBeta);
    return s;
  }

  static Statistic position(const stats::SegmentCounts& counts, const stats::PositionDrift& test,
                            const JudgeContext& context) {
    Statistic s;
    s.id = "S14";
    s.name = kPositions;
    s.counts = {{"drops", integers(counts.drops())}, {"entries", integers(counts.entries())}};
    s.null_law =
        "largest distance of a Brownian bridge, 2 exp(-2x^2) - 2 exp(-8x^2) + ..., x = max |S_t - S_n t/n| / "
        "sqrt(n p^ q^), p^ the rate seen";
    s.value = test.statistic;
    set_tail(s, test.tail, context.alpha);
    s.effect = Effect{test.step, kUnit, std::nullopt, std::nullopt};
    s.minimum_detectable_effect = position_effect(context.sample, context.alpha, kBeta);
    return s;
  }
};

}  // namespace

void add_drift(Registry& registry) { registry.add_check(std::make_unique<Drift>()); }

}  // namespace dropcheck::suites
