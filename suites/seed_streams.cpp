// seed_determinism.streams (S11) and seed_determinism.seed_flips (S30): the 64 masks of a block of the
// protocol `streams`, whose seeds and calls lie close together. Over the blocks, the masks of one step are
// one stream.

#include "suites/seed_streams.hpp"

#include <array>
#include <tuple>

#include "harness/stats/channel_pairs.hpp"
#include "harness/stats/hypergeometric.hpp"
#include "harness/stats/mask_pairs.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/judging.hpp"
#include "suites/mask_observer.hpp"

namespace dropcheck::suites {
namespace {

constexpr std::int64_t kMostEntries = 1 << 20;  // the masks of a block are kept
constexpr std::int64_t kMostElements = 1 << 22;

/// Of a mask, over all blocks.
std::uint64_t planned_entries(const SampleInfo& sample) {
  return sample.blocks * static_cast<std::uint64_t>(mask_count(sample.problem));
}

Applicability enough_for_streams(const SampleInfo& sample) {
  if (mask_count(sample.problem) > kMostEntries || element_count(sample.problem.shape) > kMostElements)
    return Applicability::rule_fails(
        "a tensor of more than 2^20 mask entries or 2^22 elements: give seed_determinism.streams a smaller "
        "shape");
  const double p = sample.problem.p;
  if (static_cast<double>(planned_entries(sample)) * p * (1 - p) < kMinimumVariance)
    return Applicability::rule_fails("n p q of the entries of one stream is below 1000");
  return Applicability::yes();
}

/// What a step of the protocol is, in words.
std::string step_text(std::size_t step) {
  if (step == 0) return "a seed";
  if (step < kFirstFlip) return fmt::format("that seed + {}", step);
  if (step < kFirstCall) return fmt::format("that seed with bit {} flipped", step - kFirstFlip);
  if (step < kFirstOther) return fmt::format("call {} after that seed - {}", step - kFirstCall, kSeedsBelow);
  return fmt::format("unrelated seed {}", step - kFirstOther);
}

std::string likely_cause(std::size_t i, std::size_t j) {
  if (j < kFirstFlip) return "neighbouring seeds may lead to the same stream";
  if (i == 0 && j < kFirstCall) return fmt::format("bit {} of the seed may not matter", j - kFirstFlip);
  if (j < kFirstCall) return "seeds may be mixed too little, or cut short";
  if (i < kFirstCall && j < kFirstOther)
    return "streams of neighbouring seeds may meet, as where each call counts the seed up by one";
  if (i >= kFirstCall && j < kFirstOther) return "the stream may not advance between calls";
  return "different seeds may lead to overlapping streams";
}

/// Steps that were given one and the same seed tell nothing: flipping a bit of a seed may be adding a number.
class EqualSeeds {
 public:
  void observe(const StepRecord& record) {
    if (record.index == 0) seeds_.fill(std::nullopt);
    seeds_[record.index] = record.seed;
    if (!record.seed) return;
    for (std::size_t i = 0; i < record.index; ++i)
      if (seeds_[i] == record.seed) equal_[i * kStreamSteps + record.index] = true;
  }
  void merge(const EqualSeeds& later) {
    for (std::size_t k = 0; k < equal_.size(); ++k) equal_[k] = equal_[k] || later.equal_[k];
  }
  /// Steps i < j had different seeds in every block.
  bool differ(std::size_t i, std::size_t j) const { return !equal_[i * kStreamSteps + j]; }

 private:
  std::array<std::optional<std::uint64_t>, kStreamSteps> seeds_;
  std::array<bool, kStreamSteps * kStreamSteps> equal_{};
};

class Streams final : public MergingObserver<Streams> {
 public:
  void observe(const StepRecord& record) override {
    DROPCHECK_CHECK(record.index < kStreamSteps);
    equal.observe(record);
    MaskBits scratch;
    const MaskBits& bits = mask_entries(record, scratch);
    if (record.index == 0) rows_.clear();
    rows_.insert(rows_.end(), bits.words().begin(), bits.words().end());
    if (record.index + 1 < kStreamSteps) return;
    pairs.add(rows_, bits.size());
    rows_.clear();
  }
  void add(const Streams& later) {
    pairs.merge(later.pairs);
    equal.merge(later.equal);
  }

  stats::StreamPairs pairs{kStreamSteps};
  EqualSeeds equal;

 private:
  std::vector<std::uint64_t> rows_;  // of the steps of this block
};

class StreamsCheck final : public Check {
 public:
  StreamsCheck() : Check(catalogue_row("seed_determinism.streams")) {}

  Applicability applies(const SampleInfo& sample) const override { return enough_for_streams(sample); }
  unsigned hypotheses(const SampleInfo& sample) const override { return tests_sum(sample) ? 2 : 1; }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    return MinimumDetectableEffect{
        stats::worst_pair_min_effect(kStreamSteps, planned_entries(sample), alpha, beta, sample.problem.p),
        "correlation of two masks", 1 - beta};
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override { return std::make_unique<Streams>(); }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& streams = static_cast<const Streams&>(seen);
    const stats::PairChoice differ = [&](std::size_t i, std::size_t j) { return streams.equal.differ(i, j); };
    std::vector<Statistic> statistics;
    if (stats::chosen_pairs(kStreamSteps, differ) > 0) {
      statistics.push_back(worst(streams.pairs, differ, context));
      if (tests_sum(context.sample) && context.p > 0 && context.p < 1 &&
          stats::pair_sum_is_valid(kStreamSteps, streams.pairs.entries(), context.p, differ))
        statistics.push_back(all(streams.pairs, differ, context));
    }
    const std::vector<Statistic> first(statistics.begin(), statistics.begin() + (statistics.empty() ? 0 : 1));
    return judge_statistics(std::move(statistics), kStreamSteps * streams.pairs.entries(),
                            [&](const Statistic& s) {
                              if (s.name == kWorstStreams) return pair_text(s);
                              return fmt::format(
                                  "the masks of different seeds and calls are not independent of each other: "
                                  "over {} pairs the squared "
                                  "correlations add up to {:.6g} where {:.6g} is expected; {}",
                                  to_string(s.counts[1].second[0]), s.value, s.null_parameters[1].second,
                                  first[0].rejects() ? pair_text(first[0])
                                                     : "something common to all may decide what is dropped");
                            });
  }

 private:
  static std::string pair_text(const Statistic& s) {
    const std::size_t i = *s.cell / kStreamSteps, j = *s.cell % kStreamSteps;
    return fmt::format(
        "the masks of {} and of {} are dropped {} often together than chance allows: {} of {} entries, "
        "correlation "
        "{:.4g}; {}",
        step_text(i), step_text(j), s.effect->value > 0 ? "more" : "less", to_string(s.counts[3].second[0]),
        to_string(s.counts[0].second[0]), s.effect->value, likely_cause(i, j));
  }

  static bool tests_sum(const SampleInfo& sample) {
    return stats::pair_sum_is_valid(kStreamSteps, planned_entries(sample), sample.problem.p);
  }

  Statistic worst(const stats::StreamPairs& pairs, const stats::PairChoice& differ,
                  const JudgeContext& context) const {
    const bool focused = context.focus && context.focus->hypothesis == kWorstStreams && context.focus->cell;
    const stats::PairOverlap pair = focused ? stats::pair_overlap(pairs, *context.focus->cell / kStreamSteps,
                                                                  *context.focus->cell % kStreamSteps)
                                            : stats::worst_pair(pairs, differ);
    Statistic s;
    s.id = "S11";
    s.name = kWorstStreams;
    s.cell = pair.first * kStreamSteps + pair.second;
    s.counts = {
        {"n", {pairs.entries()}},
        {"steps", {static_cast<Int128>(pair.first), static_cast<Int128>(pair.second)}},
        {"drops", {pairs.drops(pair.first), pairs.drops(pair.second)}},
        {"both", {pairs.both(pair.first, pair.second)}},
        {"pairs", {focused ? Int128{1} : static_cast<Int128>(stats::chosen_pairs(kStreamSteps, differ))}}};
    s.null_law =
        "hypergeometric given the drops of both masks, the smallest p-value times the number of pairs";
    s.null_parameters = {{"p", context.p}};
    set_tail(s, pair.tail, context.alpha);
    if (focused && !differ(pair.first, pair.second))  // its two seeds met by chance in a later stage
      set_tail(s, stats::tail_from_p(1, pair.tail.engine), context.alpha);
    s.effect = Effect{pair.correlation, "correlation of two masks", std::nullopt, std::nullopt};
    s.minimum_detectable_effect = detectable(context.sample, context.alpha, kBeta);
    return s;
  }

  static Statistic all(const stats::StreamPairs& pairs, const stats::PairChoice& differ,
                       const JudgeContext& context) {
    const stats::PairSum sum = stats::pair_sum(pairs, context.p, differ);
    const stats::PairSumCounts counts = stats::pair_sum_counts(pairs, differ);
    Statistic s;
    s.id = "S11";
    s.name = kAllStreams;
    s.counts = {{"n", {pairs.entries()}},
                {"pairs", {counts.pairs}},
                {"both", {counts.both}},
                {"both_squared", {counts.both_squared}},
                {"drops", {counts.drops}},
                {"drops_squared", {counts.drops_squared}},
                {"both_times_drops", {counts.both_times_drops}}};
    s.null_law = "sum of squared standardised overlaps: gamma law of its exact mean and variance";
    s.null_parameters = {{"p", context.p}, {"mean", sum.law.mean}, {"variance", sum.law.variance}};
    s.value = sum.value;
    set_tail(s, sum.tail, context.alpha);
    s.effect = Effect{sum.rms_correlation, "rms correlation of pairs of masks", std::nullopt, std::nullopt};
    s.minimum_detectable_effect =
        MinimumDetectableEffect{stats::pair_sum_min_effect(kStreamSteps, pairs.entries(), context.alpha,
                                                           kBeta, context.sample.problem.p),
                                "rms correlation of pairs of masks", kPower};
    return s;
  }
};

/// Step 0 against each seed next to it: the other steps of the protocol are not looked at.
class Neighbours final : public MergingObserver<Neighbours> {
 public:
  void observe(const StepRecord& record) override {
    DROPCHECK_CHECK(record.index < kStreamSteps);
    equal.observe(record);
    if (record.index >= kFirstCall) return;
    MaskBits scratch;
    const MaskBits& bits = mask_entries(record, scratch);
    if (record.index == 0) {
      base_ = bits;
      return;
    }
    stats::add_overlap(overlaps[record.index], {base_.words(), base_.size()}, {bits.words(), bits.size()});
  }
  void add(const Neighbours& later) {
    for (std::size_t step = 0; step < overlaps.size(); ++step) overlaps[step].merge(later.overlaps[step]);
    equal.merge(later.equal);
  }

  std::array<stats::OverlapCounts, kFirstCall> overlaps;  // by step; nothing at 0
  EqualSeeds equal;

 private:
  MaskBits base_;
};

class SeedFlips final : public Check {
 public:
  SeedFlips() : Check(catalogue_row("seed_determinism.seed_flips")) {}

  Applicability applies(const SampleInfo& sample) const override { return enough_for_streams(sample); }
  unsigned hypotheses(const SampleInfo&) const override { return 2; }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    return effect_at(kFirstCall - kFirstFlip, sample, alpha, beta);
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<Neighbours>();
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& neighbours = static_cast<const Neighbours&>(seen);
    std::vector<Statistic> statistics;
    std::uint64_t compared = 0;
    for (const stats::OverlapCounts& overlap : neighbours.overlaps) compared += overlap.n;
    if (context.p > 0 && context.p < 1)
      for (const auto& [name, begin, end] :
           {std::tuple{"one bit of the seed flipped", kFirstFlip, kFirstCall},
            std::tuple{"seeds in succession", std::size_t{1}, kFirstFlip}})
        if (auto s = farthest(name, begin, end, neighbours, context)) statistics.push_back(std::move(*s));
    return judge_statistics(std::move(statistics), compared, [&](const Statistic& s) {
      const auto step = static_cast<std::size_t>(*s.cell);
      const bool equal = s.effect->value == 0;
      return fmt::format(
          "the masks of a seed and of {} differ in {} of {} entries ({:.4g}) where {:.4g} is expected{}",
          step_text(step), to_string(s.counts[1].second[0]), to_string(s.counts[0].second[0]),
          s.effect->value, 2 * context.p * (1 - context.p),
          equal ? fmt::format(": not at all; {}", likely_cause(0, step))
                : std::string("; seeds may be mixed too little"));
    });
  }

 private:
  /// The step of [begin, end) whose distance from step 0 is the least likely.
  static std::optional<Statistic> farthest(const char* name, std::size_t begin, std::size_t end,
                                           const Neighbours& neighbours, const JudgeContext& context) {
    const bool focused = context.focus && context.focus->hypothesis == name && context.focus->cell;
    std::size_t tests = 0, worst = 0;
    stats::Tail smallest{1, 0, "hypergeometric_exact"};
    for (std::size_t step = begin; step < end; ++step) {
      if (focused && step != *context.focus->cell) continue;
      if (!neighbours.equal.differ(0, step)) continue;
      ++tests;
      const stats::Tail tail = stats::overlap_test(neighbours.overlaps[step]);
      if (tests > 1 && !(tail.log10_p < smallest.log10_p)) continue;
      smallest = tail;
      worst = step;
    }
    if (tests == 0) return std::nullopt;
    const stats::OverlapCounts& overlap = neighbours.overlaps[worst];
    const std::uint64_t distance = stats::differing_entries(overlap);
    Statistic s;
    s.id = "S30";
    s.name = name;
    s.cell = worst;
    s.counts = {{"n", {overlap.n}},
                {"distance", {distance}},
                {"first", {overlap.first}},
                {"second", {overlap.second}},
                {"both", {overlap.both}},
                {"step", {static_cast<Int128>(worst)}},
                {"tests", {static_cast<Int128>(tests)}}};
    s.null_law = "both of hypergeometric(n, first, second), the smallest of all p-values times their number";
    set_tail(
        s,
        stats::bonferroni(smallest, tests, tests == 1 ? smallest.engine : "hypergeometric_exact_bonferroni"),
        context.alpha);
    s.effect = Effect{static_cast<double>(distance) / static_cast<double>(overlap.n), kDistanceUnit,
                      std::nullopt, std::nullopt};
    s.minimum_detectable_effect = effect_at(tests, context.sample, context.alpha, kBeta);
    return s;
  }

  static MinimumDetectableEffect effect_at(std::size_t tests, const SampleInfo& sample, double alpha,
                                           double beta) {
    const double p = sample.problem.p;
    // Masks of correlation rho differ with probability 2 p q (1 - rho).
    return {
        2 * p * (1 - p) *
            stats::overlap_min_effect(planned_entries(sample), alpha / static_cast<double>(tests), beta, p),
        kDistanceUnit, 1 - beta};
  }

  static constexpr const char* kDistanceUnit = "probability that an entry differs";
};

}  // namespace

void add_seed_streams(Registry& registry) {
  registry.add_check(std::make_unique<StreamsCheck>());
  registry.add_check(std::make_unique<SeedFlips>());
}

}  // namespace dropcheck::suites
