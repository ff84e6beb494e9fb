// mask_rate.block_histogram (S5, the whole histogram and its oddest cell) and mask_rate.block_rates (half of
// S14): laws of the number of drops in disjoint blocks of mask entries. Histograms are sufficient and merge
// by addition.

#include "harness/stats/kernels/blocks.hpp"

#include <algorithm>
#include <bit>
#include <boost/math/distributions/binomial.hpp>
#include <cmath>

#include "harness/stats/binomial.hpp"
#include "harness/stats/chi_squared.hpp"
#include "harness/stats/extreme_cell.hpp"
#include "harness/stats/kolmogorov_smirnov.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/judging.hpp"
#include "suites/mask_observer.hpp"

namespace dropcheck::suites {
namespace {

constexpr std::uint64_t kWord = 64;
constexpr std::uint64_t kBlock = 1024;
constexpr double kMinimumExpected = 1000;  // of a pooled cell; 5 or 10 is a rule for the 5 % level only
constexpr std::uint64_t kMinimumBlocks = 64;

/// Histogram of drops in blocks of Bits entries; the incomplete block at the end of a call is left out.
template <std::uint64_t Bits>
class BlockHistogram final : public MergingObserver<BlockHistogram<Bits>> {
 public:
  void observe(const StepRecord& record) override {
    MaskBits scratch;
    const auto& bits = mask_entries(record, scratch);
    stats::kernels::block_histogram(bits.words(), bits.size(), static_cast<unsigned>(std::countr_zero(Bits)),
                                    histogram);
    blocks += bits.size() / Bits;
  }
  void add(const BlockHistogram& later) {
    for (std::size_t c = 0; c < histogram.size(); ++c) histogram[c] += later.histogram[c];
    blocks += later.blocks;
  }
  std::vector<std::uint64_t> histogram = std::vector<std::uint64_t>(Bits + 1, 0);
  std::uint64_t blocks = 0;
};

std::uint64_t planned_blocks(const SampleInfo& sample, std::uint64_t bits) {
  return sample.blocks * sample.calls * (static_cast<std::uint64_t>(mask_count(sample.problem)) / bits);
}

/// The histogram without its empty ends, and the count that its first entry stands for.
void put_histogram(Statistic& s, const std::vector<std::uint64_t>& histogram, std::uint64_t bits) {
  std::size_t first = 0, last = histogram.size();
  while (first < last && histogram[first] == 0) ++first;
  while (last > first && histogram[last - 1] == 0) --last;
  s.counts = {{"bits", {bits}},
              {"first", {static_cast<Int128>(first)}},
              {"histogram",
               {histogram.begin() + static_cast<std::ptrdiff_t>(first),
                histogram.begin() + static_cast<std::ptrdiff_t>(last)}}};
}

std::vector<double> word_law(double p) {
  const boost::math::binomial_distribution<double> law(kWord, p);
  std::vector<double> probabilities;
  for (std::uint64_t c = 0; c <= kWord; ++c)
    probabilities.push_back(boost::math::pdf(law, static_cast<double>(c)));
  return probabilities;
}

/// Cells that pooling leaves at a planned number of words: pooling depends on the expected counts only.
std::optional<stats::PooledChiSquared> planned_pooling(const SampleInfo& sample) {
  std::vector<std::uint64_t> all_in_one(kWord + 1, 0);
  all_in_one[0] = planned_blocks(sample, kWord);
  return stats::pooled_chi_squared(all_in_one, word_law(sample.problem.p), kMinimumExpected);
}

class BlockHistogramCheck final : public Check {
 public:
  BlockHistogramCheck() : Check(catalogue_row("mask_rate.block_histogram")) {}

  Applicability applies(const SampleInfo& sample) const override {
    if (sample.problem.p <= 0 || sample.problem.p >= 1) return Applicability::no();
    if (!needs_arrangement(sample).applies) return needs_arrangement(sample);
    if (!planned_pooling(sample))
      return Applicability::rule_fails("pooling cells to 1000 expected blocks each leaves fewer than two");
    return Applicability::yes();
  }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    const auto pooled = planned_pooling(sample);
    if (!pooled) return std::nullopt;
    const double lambda = stats::chi_squared_noncentrality(pooled->degrees_of_freedom, alpha, beta);
    return MinimumDetectableEffect{std::sqrt(lambda / static_cast<double>(planned_blocks(sample, kWord))),
                                   "Cohen's w between the histograms", 1 - beta};
  }
  unsigned hypotheses(const SampleInfo&) const override { return 2; }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<BlockHistogram<kWord>>();
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& words = static_cast<const BlockHistogram<kWord>&>(seen);
    if (!(context.p > 0 && context.p < 1)) return {};  // estimated, where all entries are alike
    const std::vector<double> law = word_law(context.p);
    const auto pooled = stats::pooled_chi_squared(words.histogram, law, kMinimumExpected);
    if (!pooled) {
      Judgement judgement;
      judgement.verdict = Verdict::inconclusive;
      judgement.message = "invalid: too few blocks for a chi-squared test";
      return judgement;
    }
    return judge_statistics(
        {whole(words, *pooled, context), oddest(words, law, context)}, words.blocks, [&](const Statistic& s) {
          if (s.cell)
            return fmt::format(
                "{} of {} blocks of 64 neighbours have {} drops: {:.6g} [{:.6g}, {:.6g}] of them, where "
                "Binomial(64, {}) has {:.6g}{}",
                static_cast<std::uint64_t>(s.counts[2].second[0]), words.blocks, *s.cell, s.effect->value,
                *s.effect->lower, *s.effect->upper, context.p, law[*s.cell], likely_cause(*s.cell));
          return fmt::format(
              "the number of drops in 64 neighbours does not follow Binomial(64, {}): chi-squared = {:.6g} "
              "for "
              "{:.0f} degrees of freedom over {} blocks",
              context.p, s.value, pooled->degrees_of_freedom, words.blocks);
        });
  }

 private:
  static std::string likely_cause(std::uint64_t drops) {
    if (drops == 0) return "; words that are never masked or not written";
    if (drops == kWord) return "; words that are dropped as a whole";
    return "";
  }

  Statistic whole(const BlockHistogram<kWord>& words, const stats::PooledChiSquared& pooled,
                  const JudgeContext& context) const {
    Statistic s;
    s.id = "S5";
    s.name = "drops per 64 entries";
    put_histogram(s, words.histogram, kWord);
    s.null_law =
        "multinomial with Binomial(64, p) cells, pooled from both ends to 1000 expected each: "
        "chi-squared(cells - 1)";
    s.null_parameters = {{"p", context.p}, {"degrees_of_freedom", pooled.degrees_of_freedom}};
    s.value = pooled.statistic;
    set_tail(s, pooled.tail, context.alpha);
    const double excess = (pooled.statistic - pooled.degrees_of_freedom) / static_cast<double>(words.blocks);
    s.effect = Effect{std::sqrt(std::max(excess, 0.0)), "Cohen's w between the histograms", std::nullopt,
                      std::nullopt};
    s.minimum_detectable_effect = detectable(context.sample, context.alpha, kBeta);
    return s;
  }

  static Statistic oddest(const BlockHistogram<kWord>& words, const std::vector<double>& law,
                          const JudgeContext& context) {
    const stats::WorstCell worst =
        stats::extreme_cell(words.histogram, law, context.focus ? context.focus->cell : std::nullopt);
    const stats::Interval interval =
        stats::clopper_pearson(worst.trials, worst.count, context.alpha / static_cast<double>(worst.cells));
    constexpr const char* kUnit = "probability of one number of drops";
    Statistic s;
    s.id = "S5";
    s.name = "oddest number of drops per 64 entries";
    s.cell = worst.index;
    s.counts = {{"drops", {static_cast<Int128>(worst.index)}},
                {"n", {worst.trials}},
                {"x", {worst.count}},
                {"cells", {static_cast<Int128>(worst.cells)}}};
    s.null_law = "Binomial(n, probability), the smallest p-value of all numbers of drops times their number";
    s.null_parameters = {{"p", context.p}, {"probability", law[worst.index]}};
    set_tail(s, worst.tail, context.alpha);
    s.effect = Effect{static_cast<double>(worst.count) / static_cast<double>(worst.trials), kUnit,
                      interval.lower, interval.upper};
    s.minimum_detectable_effect = MinimumDetectableEffect{
        stats::extreme_cell_min_effect(law, planned_blocks(context.sample, kWord), context.alpha, kBeta),
        kUnit, kPower};
    return s;
  }
};

class BlockRatesCheck final : public Check {
 public:
  BlockRatesCheck() : Check(catalogue_row("mask_rate.block_rates")) {}

  Applicability applies(const SampleInfo& sample) const override {
    if (!needs_arrangement(sample).applies) return needs_arrangement(sample);
    if (planned_blocks(sample, kBlock) < kMinimumBlocks)
      return Applicability::rule_fails("fewer than 64 blocks of 1024 mask entries");
    return Applicability::yes();
  }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    return MinimumDetectableEffect{stats::ks_min_effect(planned_blocks(sample, kBlock), alpha, beta),
                                   "largest distance of distribution functions", 1 - beta};
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<BlockHistogram<kBlock>>();
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    if (!(context.p > 0 && context.p < 1)) return {};  // estimated, where all entries are alike
    const auto& blocks = static_cast<const BlockHistogram<kBlock>&>(seen);
    const double p = context.p;
    const stats::KsResult ks = stats::ks_of_block_histogram(blocks.histogram, kBlock, p, context.pit_key);
    Statistic s;
    s.id = "S14";
    s.name = "rates of blocks of 1024 entries";
    put_histogram(s, blocks.histogram, kBlock);
    s.counts.push_back({"pit_key", {context.pit_key}});
    s.null_law = "randomised p-values of Binomial(1024, p) block counts are uniform: Kolmogorov-Smirnov";
    s.null_parameters = {{"p", p}};
    s.value = ks.statistic;
    set_tail(s, ks.tail, context.alpha);
    s.effect = Effect{ks.statistic, "largest distance of distribution functions", std::nullopt, std::nullopt};
    s.minimum_detectable_effect = detectable(context.sample, context.alpha, kBeta);
    return judge_statistics({s}, blocks.blocks, [&](const Statistic& t) {
      return fmt::format(
          "the drop rates of {} blocks of 1024 mask entries are not distributed as Binomial(1024, {}): "
          "Kolmogorov-Smirnov distance {:.4g}",
          blocks.blocks, p, t.value);
    });
  }
};

}  // namespace

void add_blocks(Registry& registry) {
  registry.add_check(std::make_unique<BlockHistogramCheck>());
  registry.add_check(std::make_unique<BlockRatesCheck>());
}

}  // namespace dropcheck::suites
