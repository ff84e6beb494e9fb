// mask_rate.large_call (L1): the rates of the parts of one large call; and channel_correlation.large_call
// (L2): entries of it whose distance is a power of two of its size.

#include "suites/large_call.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#include "harness/stats/binomial.hpp"
#include "harness/stats/hypergeometric.hpp"
#include "harness/stats/kernels/popcount.hpp"
#include "harness/stats/worst_cell.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/judging.hpp"
#include "suites/mask_observer.hpp"

namespace dropcheck::suites {

LargeCall::LargeCall(std::uint64_t entries) : entries_(entries), half_(std::bit_floor(entries - 1)) {
  DROPCHECK_CHECK(entries > kSmallestHalf);
}

std::uint64_t LargeCall::size(std::uint64_t part) const {
  return (part + 1 < kLargeCallParts ? begin(part + 1) : entries_) - begin(part);
}

std::uint64_t LargeCall::pairs(std::size_t k) const {
  const std::uint64_t d = distance(k), rest = entries_ % (2 * d);
  return entries_ / (2 * d) * d + (rest > d ? rest - d : 0);
}

std::uint64_t LargeCall::drops(const MaskBits& mask, std::uint64_t part) const {
  // Bits past the end of a mask are 0.
  return stats::kernels::count(mask.words().subspan(begin(part) / 64, (size(part) + 63) / 64));
}

void LargeCall::add_pairs(const MaskBits& mask, std::size_t k, stats::OverlapCounts& counts) const {
  const std::uint64_t d = distance(k);
  for (std::uint64_t first = 0; first + d < entries_; first += 2 * d) {
    const std::uint64_t second = first + d, length = std::min(d, entries_ - second);
    stats::add_overlap(counts, {mask.words().subspan(first / 64, d / 64), d},
                       {mask.words().subspan(second / 64, (length + 63) / 64), length});
  }
}

namespace {

constexpr const char* kWorstPart = "worst part of a large call";
constexpr const char* kRateUnit = "drop probability of one part";
constexpr const char* kPairUnit = "correlation of the entries of a pair";

Applicability enough_for_parts(const SampleInfo& sample) {
  if (static_cast<std::uint64_t>(mask_count(sample.problem)) <= kSmallestHalf)
    return Applicability::rule_fails("a call of at most 512 mask entries has no parts");
  return Applicability::yes();
}

LargeCall call_of(const SampleInfo& sample) {
  return LargeCall(static_cast<std::uint64_t>(mask_count(sample.problem)));
}

/// "2^31" for powers of two.
std::string power_text(std::uint64_t power) { return fmt::format("2^{}", std::countr_zero(power)); }

// --- rates

class PartCounts final : public MergingObserver<PartCounts> {
 public:
  explicit PartCounts(LargeCall call) : call_(call) {}
  void observe(const StepRecord& record) override {
    MaskBits scratch;
    const MaskBits& bits = mask_entries(record, scratch);
    for (std::uint64_t part = 0; part < kLargeCallParts; ++part) {
      drops[part] += call_.drops(bits, part);
      trials[part] += call_.size(part);
    }
    entries += bits.size();
  }
  void add(const PartCounts& later) {
    for (std::size_t part = 0; part < kLargeCallParts; ++part) {
      drops[part] += later.drops[part];
      trials[part] += later.trials[part];
    }
    entries += later.entries;
  }

  std::array<std::uint64_t, kLargeCallParts> drops{}, trials{};
  std::uint64_t entries = 0;

 private:
  LargeCall call_;
};

class LargeCallRates final : public Check {
 public:
  LargeCallRates() : Check(catalogue_row("mask_rate.large_call")) {}

  Applicability applies(const SampleInfo& sample) const override { return enough_for_parts(sample); }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    const LargeCall call = call_of(sample);
    // The parts below `half` have the same size.
    const std::uint64_t fewest = std::min(call.size(0), call.size(kLargeCallParts - 1));
    return MinimumDetectableEffect{
        stats::binomial_min_effect(sample.blocks * sample.calls * fewest,
                                   alpha / static_cast<double>(kLargeCallParts), beta, sample.problem.p),
        kRateUnit, 1 - beta};
  }
  std::unique_ptr<Observer> observer(const SampleInfo& sample) const override {
    return std::make_unique<PartCounts>(call_of(sample));
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& parts = static_cast<const PartCounts&>(seen);
    const stats::WorstCell worst = stats::worst_cell(parts.drops, parts.trials, context.p,
                                                     context.focus ? context.focus->cell : std::nullopt);
    const stats::Interval interval =
        stats::clopper_pearson(worst.trials, worst.count, context.alpha / static_cast<double>(worst.cells));
    const double rate = static_cast<double>(worst.count) / static_cast<double>(worst.trials);
    Statistic s;
    s.id = "L1";
    s.name = kWorstPart;
    s.counts = {{"part", {static_cast<Int128>(worst.index)}},
                {"n", {worst.trials}},
                {"x", {worst.count}},
                {"parts", {static_cast<Int128>(worst.cells)}}};
    s.cell = worst.index;
    s.null_law = "Binomial(n, p), the smallest of all parts' p-values times their number";
    s.null_parameters = {{"p", context.p}};
    set_tail(s, worst.tail, context.alpha);
    s.effect = Effect{rate, kRateUnit, interval.lower, interval.upper};
    s.minimum_detectable_effect = detectable(context.sample, context.alpha, kBeta);
    return judge_statistics({s}, parts.entries, [&](const Statistic&) {
      const LargeCall call = call_of(context.sample);
      const bool past = worst.index + 1 == kLargeCallParts;
      const std::uint64_t begin = call.begin(worst.index);
      return fmt::format(
          "the {} entries of a call from entry {} on are dropped at {:.6g} [{:.6g}, {:.6g}] "
          "where p = {} was asked for{}",
          call.size(worst.index), std::has_single_bit(begin) ? power_text(begin) : std::to_string(begin),
          rate, interval.lower, interval.upper, context.p, cause(worst, past));
    });
  }

 private:
  static std::string cause(const stats::WorstCell& worst, bool past) {
    if (worst.count != 0 && worst.count != worst.trials) return "";
    return fmt::format(": {} of them{}", worst.count == 0 ? "none" : "every one",
                       past ? "; an index or a size may have too few bits" : "");
  }
};

// --- pairs

class PartPairs final : public MergingObserver<PartPairs> {
 public:
  explicit PartPairs(LargeCall call) : call_(call) {}
  void observe(const StepRecord& record) override {
    MaskBits scratch;
    const MaskBits& bits = mask_entries(record, scratch);
    for (std::size_t k = 0; k < kLargeCallDistances; ++k) call_.add_pairs(bits, k, counts[k]);
    entries += bits.size();
  }
  void add(const PartPairs& later) {
    for (std::size_t k = 0; k < kLargeCallDistances; ++k) counts[k].merge(later.counts[k]);
    entries += later.entries;
  }

  std::array<stats::OverlapCounts, kLargeCallDistances> counts;
  std::uint64_t entries = 0;

 private:
  LargeCall call_;
};

std::uint64_t planned_pairs(const SampleInfo& sample, std::size_t k) {
  return sample.blocks * sample.calls * call_of(sample).pairs(k);
}

bool is_tested(const SampleInfo& sample, std::size_t k) {
  const double p = sample.problem.p;
  return static_cast<double>(planned_pairs(sample, k)) * p * (1 - p) >= kMinimumVariance;
}

std::string name_of(std::uint64_t distance) { return fmt::format("entries {} apart", power_text(distance)); }

class LargeCallPairs final : public Check {
 public:
  LargeCallPairs() : Check(catalogue_row("channel_correlation.large_call")) {}

  Applicability applies(const SampleInfo& sample) const override {
    if (!enough_for_parts(sample).applies) return enough_for_parts(sample);
    if (!needs_arrangement(sample).applies) return needs_arrangement(sample);
    if (hypotheses(sample) == 0) return Applicability::rule_fails("n p q of all pairs is below 1000");
    return Applicability::yes();
  }
  unsigned hypotheses(const SampleInfo& sample) const override {
    unsigned tested = 0;
    for (std::size_t k = 0; k < kLargeCallDistances; ++k) tested += is_tested(sample, k) ? 1u : 0u;
    return tested;
  }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    std::uint64_t fewest = std::numeric_limits<std::uint64_t>::max();
    for (std::size_t k = 0; k < kLargeCallDistances; ++k)
      if (is_tested(sample, k)) fewest = std::min(fewest, planned_pairs(sample, k));
    return effect_at(fewest, sample, alpha, beta);
  }
  std::unique_ptr<Observer> observer(const SampleInfo& sample) const override {
    return std::make_unique<PartPairs>(call_of(sample));
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& pairs = static_cast<const PartPairs&>(seen);
    const LargeCall call = call_of(context.sample);
    std::vector<Statistic> statistics;
    for (std::size_t k = 0; k < kLargeCallDistances; ++k) {
      if (!is_tested(context.sample, k)) continue;
      const stats::OverlapCounts& counts = pairs.counts[k];
      Statistic s;
      s.id = "L2";
      s.name = name_of(call.distance(k));
      s.counts = {
          {"n", {counts.n}}, {"first", {counts.first}}, {"second", {counts.second}}, {"both", {counts.both}}};
      s.null_law = "hypergeometric given the drops of both";
      s.null_parameters = {{"p", context.p}};
      set_tail(s, stats::overlap_test(counts), context.alpha);
      s.effect = Effect{stats::overlap_correlation(counts), kPairUnit, std::nullopt, std::nullopt};
      s.minimum_detectable_effect = effect_at(counts.n, context.sample, context.alpha, kBeta);
      statistics.push_back(std::move(s));
    }
    return judge_statistics(std::move(statistics), pairs.entries, [&](const Statistic& s) {
      const double correlation = s.effect->value;
      return fmt::format(
          "{} in one call are dropped {} often together than chance allows: {} of {} pairs, correlation "
          "{:.4g}{}",
          s.name, correlation > 0 ? "more" : "less", to_string(s.counts[3].second[0]),
          to_string(s.counts[0].second[0]), correlation,
          correlation > 0.99 ? "; the mask begins again there: an index, a counter or an offset in bytes may "
                               "have too few bits"
                             : "");
    });
  }

 private:
  static MinimumDetectableEffect effect_at(std::uint64_t n, const SampleInfo& sample, double alpha,
                                           double beta) {
    return {stats::overlap_min_effect(n, alpha, beta, sample.problem.p), kPairUnit, 1 - beta};
  }
};

}  // namespace

void add_large_call(Registry& registry) {
  registry.add_check(std::make_unique<LargeCallRates>());
  registry.add_check(std::make_unique<LargeCallPairs>());
}

}  // namespace dropcheck::suites
