// channel_correlation.channel_pairs: every channel against every other, one pair (S8) and all together (S9).

#include "harness/stats/channel_pairs.hpp"

#include "suites/catalogue.hpp"
#include "suites/channel_rows.hpp"
#include "suites/checks.hpp"
#include "suites/disjoint_pairs.hpp"
#include "suites/judging.hpp"
#include "suites/mask_observer.hpp"

namespace dropcheck::suites {
namespace {

constexpr const char* kWorst = "worst pair of channels";
constexpr const char* kAll = "all pairs of channels";

class Channels final : public MergingObserver<Channels> {
 public:
  explicit Channels(const std::vector<std::int64_t>& shape)
      : pairs(ChannelRows(shape).channels()), rows_(shape) {}
  void observe(const StepRecord& record) override {
    MaskBits scratch;
    pairs.add(rows_.split(mask_entries(record, scratch)), rows_.entries());
  }
  void add(const Channels& later) { pairs.merge(later.pairs); }

  stats::StreamPairs pairs;

 private:
  ChannelRows rows_;
};

/// Entries of each channel over the whole sample.
std::uint64_t planned_entries(const SampleInfo& sample) {
  return sample.blocks * sample.calls * ChannelRows(mask_shape(sample.problem)).entries();
}

std::size_t planned_channels(const SampleInfo& sample) {
  return ChannelRows(mask_shape(sample.problem)).channels();
}

bool tests_sum(const SampleInfo& sample) {
  return stats::pair_sum_is_valid(planned_channels(sample), planned_entries(sample), sample.problem.p);
}

class ChannelPairs final : public Check {
 public:
  ChannelPairs() : Check(catalogue_row("channel_correlation.channel_pairs")) {}

  Applicability applies(const SampleInfo& sample) const override {
    if (planned_channels(sample) < 2 || planned_entries(sample) == 0) return Applicability::no();
    if (!needs_arrangement(sample).applies) return needs_arrangement(sample);
    const auto effect = detectable(sample, kPlannedLevel, kBeta);
    if (!(effect->value < 1))
      return Applicability::rule_fails("too few entries a channel to tell even equal channels from others");
    return Applicability::yes();
  }
  unsigned hypotheses(const SampleInfo& sample) const override { return tests_sum(sample) ? 2 : 1; }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    return MinimumDetectableEffect{
        stats::worst_pair_min_effect(planned_channels(sample), planned_entries(sample), alpha, beta,
                                     sample.problem.p),
        "correlation of two channels", 1 - beta};
  }
  std::unique_ptr<Observer> observer(const SampleInfo& sample) const override {
    return std::make_unique<Channels>(mask_shape(sample.problem));
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const stats::StreamPairs& pairs = static_cast<const Channels&>(seen).pairs;
    std::vector<Statistic> statistics = {worst(pairs, context)};
    const bool in_range = context.p > 0 && context.p < 1;
    if (in_range && tests_sum(context.sample) &&
        stats::pair_sum_is_valid(pairs.streams(), pairs.entries(), context.p))
      statistics.push_back(all(pairs, context));
    const Statistic pair = statistics[0];
    return judge_statistics(
        std::move(statistics), pairs.streams() * pairs.entries(), [&](const Statistic& s) {
          if (s.name == kWorst) return pair_text(s);
          return fmt::format(
              "channels are not independent of each other: over all {} pairs the squared correlations add up "
              "to {:.6g} "
              "where {:.6g} is expected; {}",
              to_string(s.counts[1].second[0]), s.value, s.null_parameters[1].second,
              pair.rejects() ? pair_text(pair)
                             : "something common to all channels may decide what is dropped");
        });
  }

 private:
  static std::string pair_text(const Statistic& s) {
    const double correlation = s.effect->value;
    const char* cause = correlation > 0.5    ? "; they may share their random numbers"
                        : correlation < -0.5 ? "; one may be drawn as the opposite of the other"
                                             : "";
    return fmt::format(
        "channels {} and {} are dropped {} often together than chance allows: {} of {} entries, correlation "
        "{:.4g}{}",
        to_string(s.counts[1].second[0]), to_string(s.counts[1].second[1]), correlation > 0 ? "more" : "less",
        to_string(s.counts[3].second[0]), to_string(s.counts[0].second[0]), correlation, cause);
  }

  Statistic worst(const stats::StreamPairs& pairs, const JudgeContext& context) const {
    const std::size_t channels = pairs.streams();
    const bool focused = context.focus && context.focus->hypothesis == kWorst && context.focus->cell;
    const stats::PairOverlap pair =
        focused ? stats::pair_overlap(pairs, *context.focus->cell / channels, *context.focus->cell % channels)
                : stats::worst_pair(pairs);
    Statistic s;
    s.id = "S8";
    s.name = kWorst;
    s.cell = pair.first * channels + pair.second;
    s.counts = {{"n", {pairs.entries()}},
                {"channels", {static_cast<Int128>(pair.first), static_cast<Int128>(pair.second)}},
                {"drops", {pairs.drops(pair.first), pairs.drops(pair.second)}},
                {"both", {pairs.both(pair.first, pair.second)}},
                {"pairs", {focused ? Int128{1} : static_cast<Int128>(stats::chosen_pairs(channels))}}};
    s.null_law =
        "hypergeometric given the drops of both channels, the smallest p-value times the number of pairs";
    s.null_parameters = {{"p", context.p}};
    set_tail(s, pair.tail, context.alpha);
    s.effect = Effect{pair.correlation, "correlation of two channels", std::nullopt, std::nullopt};
    s.minimum_detectable_effect = detectable(context.sample, context.alpha, kBeta);
    return s;
  }

  static Statistic all(const stats::StreamPairs& pairs, const JudgeContext& context) {
    const stats::PairSum sum = stats::pair_sum(pairs, context.p);
    const stats::PairSumCounts counts = stats::pair_sum_counts(pairs);
    Statistic s;
    s.id = "S9";
    s.name = kAll;
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
    s.effect = Effect{sum.rms_correlation, "rms correlation of channel pairs", std::nullopt, std::nullopt};
    s.minimum_detectable_effect =
        MinimumDetectableEffect{stats::pair_sum_min_effect(pairs.streams(), pairs.entries(), context.alpha,
                                                           kBeta, context.sample.problem.p),
                                "rms correlation of channel pairs", kPower};
    return s;
  }
};

}  // namespace

void add_channel_pairs(Registry& registry) { registry.add_check(std::make_unique<ChannelPairs>()); }

}  // namespace dropcheck::suites
