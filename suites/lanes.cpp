// mask_rate.lanes and mask_rate.worst_lane: S2 and S3 over the positions mod 1024 of each call's mask
// entries.

#include "harness/stats/lanes.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "harness/stats/binomial.hpp"
#include "harness/stats/chi_squared.hpp"
#include "harness/stats/kernels/position_counts.hpp"
#include "harness/stats/worst_cell.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/judging.hpp"
#include "suites/mask_observer.hpp"

namespace dropcheck::suites {
namespace {

constexpr std::size_t kLanes = 1024;
constexpr unsigned kModuli = 10;  // 2, 4, ... 1024

class LaneCounts final : public MergingObserver<LaneCounts> {
 public:
  void observe(const StepRecord& record) override {
    MaskBits scratch;
    const MaskBits& bits = mask_entries(record, scratch);
    stats::kernels::position_counts(bits.words(), bits.size(), drops, 0);
    for (std::size_t lane = 0; lane < kLanes; ++lane)
      trials[lane] += bits.size() / kLanes + (lane < bits.size() % kLanes ? 1 : 0);
  }
  void add(const LaneCounts& later) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      drops[lane] += later.drops[lane];
      trials[lane] += later.trials[lane];
    }
  }
  std::array<std::uint64_t, kLanes> drops{}, trials{};
};

std::uint64_t total(const std::array<std::uint64_t, kLanes>& values) {
  std::uint64_t sum = 0;
  for (const std::uint64_t v : values) sum += v;
  return sum;
}

/// The first `longer_lanes` lanes have trials[0] trials, the others trials[1]: calls end inside a row of
/// lanes.
void put_counts(Statistic& s, const LaneCounts& lanes, std::uint64_t pit_key) {
  const auto longer = std::count(lanes.trials.begin(), lanes.trials.end(), lanes.trials.front());
  s.counts = {{"drops", integers(lanes.drops)},
              {"trials", {lanes.trials.front(), lanes.trials.back()}},
              {"longer_lanes", {static_cast<Int128>(longer)}},
              {"pit_key", {pit_key}}};
}

Applicability enough_for_lanes(const SampleInfo& sample) {
  if (mask_count(sample.problem) < static_cast<std::int64_t>(kLanes))
    return Applicability::rule_fails("a call has fewer than 1024 mask entries: not every lane exists");
  return needs_arrangement(sample);
}

class Lanes final : public Check {
 public:
  Lanes() : Check(catalogue_row("mask_rate.lanes")) {}
  Applicability applies(const SampleInfo& sample) const override { return enough_for_lanes(sample); }
  unsigned hypotheses(const SampleInfo&) const override { return kModuli; }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    return effect_at(kLanes, sample, alpha, beta);
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<LaneCounts>();
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& lanes = static_cast<const LaneCounts&>(seen);
    const double p = context.p;
    std::vector<Statistic> statistics;
    for (const stats::LaneTest& test : stats::nested_lanes(lanes.drops, lanes.trials, p, context.pit_key)) {
      Statistic s;
      s.id = "S2";
      s.name = fmt::format("lanes mod {}", test.modulus);
      // The drops of 1024 lanes serve all moduli, by folding.
      if (test.modulus == kLanes || (context.focus && context.focus->hypothesis == s.name))
        put_counts(s, lanes, context.pit_key);
      s.null_law = fmt::format("chi-squared({})", test.degrees_of_freedom);
      s.null_parameters = {{"p", p},
                           {"degrees_of_freedom", test.degrees_of_freedom},
                           {"modulus", static_cast<double>(test.modulus)}};
      s.value = test.statistic;
      set_tail(s, test.tail, context.alpha);
      s.minimum_detectable_effect = effect_at(test.modulus, context.sample, context.alpha, kBeta);
      statistics.push_back(std::move(s));
    }
    return judge_statistics(std::move(statistics), total(lanes.trials), [&](const Statistic& s) {
      return fmt::format(
          "the drop rate depends on the position in groups of {}: {} = {:.6g} for {:.0f} degrees of freedom",
          s.name.substr(s.name.rfind(' ') + 1), "chi-squared", s.value, s.null_parameters[1].second);
    });
  }

 private:
  static MinimumDetectableEffect effect_at(std::uint64_t modulus, const SampleInfo& sample, double alpha,
                                           double beta) {
    // Where lanes are too small for Pearson's law, all lanes are tested and not only what they add.
    const double entries = static_cast<double>(sample.mask_entries()) / static_cast<double>(modulus);
    const double degrees =
        static_cast<double>(modulus) / (stats::pearson_is_valid(entries, sample.problem.p) ? 2 : 1);
    return {stats::chi_squared_min_effect(degrees, sample.mask_entries(), alpha, beta, sample.problem.p),
            "rms deviation of lane rates", 1 - beta};
  }
};

class WorstLane final : public Check {
 public:
  WorstLane() : Check(catalogue_row("mask_rate.worst_lane")) {}
  Applicability applies(const SampleInfo& sample) const override {
    if (!enough_for_lanes(sample).applies) return enough_for_lanes(sample);
    if (!std::isfinite(detectable(sample, kPlannedLevel, kBeta)->value))
      return Applicability::rule_fails(
          "too few entries a lane to tell even one that is never dropped from others");
    return Applicability::yes();
  }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    return MinimumDetectableEffect{
        stats::binomial_min_effect(sample.mask_entries() / kLanes, alpha / kLanes, beta, sample.problem.p),
        "drop probability of one lane", 1 - beta};
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<LaneCounts>();
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& lanes = static_cast<const LaneCounts&>(seen);
    const double p = context.p;
    const stats::WorstCell worst =
        stats::worst_cell(lanes.drops, lanes.trials, p, context.focus ? context.focus->cell : std::nullopt);
    const stats::Interval interval =
        stats::clopper_pearson(worst.trials, worst.count, context.alpha / static_cast<double>(worst.cells));
    const double rate = static_cast<double>(worst.count) / static_cast<double>(worst.trials);
    Statistic s;
    s.id = "S3";
    s.name = "worst lane";
    s.counts = {{"lane", {static_cast<Int128>(worst.index)}},
                {"n", {worst.trials}},
                {"x", {worst.count}},
                {"lanes", {static_cast<Int128>(worst.cells)}}};
    s.cell = worst.index;
    s.null_law = "Binomial(n, p), the smallest of all lanes' p-values times their number";
    s.null_parameters = {{"p", p}};
    set_tail(s, worst.tail, context.alpha);
    s.effect = Effect{rate, "drop probability of one lane", interval.lower, interval.upper};
    s.minimum_detectable_effect = detectable(context.sample, context.alpha, kBeta);
    return judge_statistics({s}, total(lanes.trials), [&](const Statistic&) {
      return fmt::format(
          "positions {} mod 1024 are dropped at {:.6g} [{:.6g}, {:.6g}] where p = {} was asked for",
          worst.index, rate, interval.lower, interval.upper, p);
    });
  }
};

}  // namespace

void add_lanes(Registry& registry) {
  registry.add_check(std::make_unique<Lanes>());
  registry.add_check(std::make_unique<WorstLane>());
}

}  // namespace dropcheck::suites
