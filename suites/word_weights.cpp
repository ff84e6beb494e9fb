// channel_correlation.word_weights (S22): correlation of the numbers of drops in words of 64 mask entries, 1
// to 16 words apart.

#include "harness/stats/word_weights.hpp"

#include <algorithm>

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/chunk_observer.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {
namespace {

using stats::WordWeightCounts;
constexpr const char* kUnit = "correlation of the drops in two words";
constexpr const char* kRule = "too few words of 64 mask entries for the tail of their products";

/// Lags that are tested: the first ones, since further ones have fewer pairs.
unsigned planned_lags(const SampleInfo& sample) {
  unsigned lags = 0;
  while (lags < stats::kWordLags &&
         stats::word_weights_are_valid(stats::planned_word_pairs(sample.chunks(), lags + 1), sample.problem.p,
                                       kPlannedLevel))
    ++lags;
  return lags;
}

class WordWeights final : public Check {
 public:
  WordWeights() : Check(catalogue_row("channel_correlation.word_weights")) {}

  Applicability applies(const SampleInfo& sample) const override {
    if (!needs_arrangement(sample).applies) return needs_arrangement(sample);
    return planned_lags(sample) == 0 ? Applicability::rule_fails(kRule) : Applicability::yes();
  }
  unsigned hypotheses(const SampleInfo& sample) const override { return planned_lags(sample); }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    return effect_at(std::max(planned_lags(sample), 1u), sample, alpha, beta);
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<ChunkObserver<WordWeightCounts>>(WordWeightCounts{});
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& counts = counts_of<WordWeightCounts>(seen);
    const double p = context.p;
    std::vector<Statistic> statistics;
    std::uint64_t comparisons = 0;
    for (unsigned lag = 1; lag <= planned_lags(context.sample); ++lag) {
      const std::uint64_t pairs = counts.pairs[lag - 1];
      // A rate close to the planned one is as valid; one that was estimated may be far off.
      if (!(p > 0 && p < 1) || !stats::word_weights_are_valid(pairs, p, 100 * kPlannedLevel)) continue;
      const stats::WordWeightTest test = stats::word_weight_test(counts, lag, p);
      Statistic s;
      s.id = "S22";
      s.name = fmt::format("words {} apart", lag);
      s.counts = {{"lag", {lag}},
                  {"pairs", {pairs}},
                  {"products", {counts.products[lag - 1]}},
                  {"margins", {counts.margins[lag - 1]}}};
      s.null_law =
          "z, the sum of products of two words' centred numbers of drops over its deviation: normal tail "
          "times "
          "exp(skewness z^3 / 6 + quartic z^4 / 24), doubled";
      s.null_parameters = {{"p", p}, {"skewness", test.skewness}, {"quartic", test.quartic}};
      s.value = test.z;
      set_tail(s, test.tail, context.alpha);
      s.effect = Effect{test.correlation, kUnit, std::nullopt, std::nullopt};
      s.minimum_detectable_effect = effect_at(lag, context.sample, context.alpha, kBeta);
      statistics.push_back(std::move(s));
      comparisons += pairs;
    }
    if (statistics.empty()) return invalid(kRule);
    return judge_statistics(std::move(statistics), comparisons, [&](const Statistic& s) {
      return fmt::format(
          "the numbers of drops in two words of 64 entries, {}, are not independent: correlation {:.4g}, "
          "{:.1f} standard deviations; {}",
          s.name, s.effect->value, s.value,
          s.value > 0 ? "the rate varies from stretch to stretch, or draws are repeated"
                      : "drops in one word are made up for in another, as by a stratified or "
                        "exact-count draw");
    });
  }

 private:
  static MinimumDetectableEffect effect_at(unsigned lag, const SampleInfo& sample, double alpha,
                                           double beta) {
    return {stats::word_weight_min_effect(stats::planned_word_pairs(sample.chunks(), lag), alpha, beta,
                                          sample.problem.p),
            kUnit, 1 - beta};
  }
};

}  // namespace

void add_word_weights(Registry& registry) { registry.add_check(std::make_unique<WordWeights>()); }

}  // namespace dropcheck::suites
