// mask_rate.dispersion: S4, the variance of the number of drops in blocks of 64, 1024 and 65536 mask entries,
// against that of independent drops. Both tails count: masks whose blocks are too much alike are as wrong as
// masks with a rate that varies.

#include "harness/stats/dispersion.hpp"

#include <algorithm>

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/chunk_observer.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {
namespace {

using stats::DispersionCounts;
using stats::kDispersionBlocks;
/// The variance of a count of `bits` entries is 1 + (bits - 1) times this, over that of independent ones. Of
/// all sizes the smallest sees it least, so the check's detectable effect falls as a sample grows although
/// new sizes join.
constexpr const char* kUnit = "mean correlation between the entries of a block";

bool is_planned(const SampleInfo& sample, std::uint64_t bits) {
  return stats::dispersion_is_valid(bits, sample.chunks().blocks_of(bits), sample.problem.p);
}

std::string name_of(std::uint64_t bits) { return fmt::format("blocks of {}", bits); }

MinimumDetectableEffect effect_at(std::uint64_t bits, const SampleInfo& sample, double alpha, double beta) {
  const double ratio =
      stats::dispersion_min_effect(bits, sample.chunks().blocks_of(bits), alpha, beta, sample.problem.p);
  return {ratio / static_cast<double>(bits - 1), kUnit, 1 - beta};
}

double ratio_of(const Statistic& s) {
  return s.value / static_cast<double>(static_cast<std::uint64_t>(s.counts[1].second[0]));
}

std::string likely_cause(double ratio) {
  if (ratio < 0.1) return "; each block seems to get a fixed number of drops";
  if (ratio < 1) return "; drops are spread more evenly than independent draws are";
  return "; neighbours are dropped together, or blocks have rates of their own";
}

class Dispersion final : public Check {
 public:
  Dispersion() : Check(catalogue_row("mask_rate.dispersion")) {}

  Applicability applies(const SampleInfo& sample) const override {
    if (!needs_arrangement(sample).applies) return needs_arrangement(sample);
    if (hypotheses(sample) == 0)
      return Applicability::rule_fails("fewer than 256 blocks, or n p q below 1000 over all of them");
    return Applicability::yes();
  }
  unsigned hypotheses(const SampleInfo& sample) const override {
    return static_cast<unsigned>(std::count_if(kDispersionBlocks.begin(), kDispersionBlocks.end(),
                                               [&](std::uint64_t bits) { return is_planned(sample, bits); }));
  }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    std::optional<MinimumDetectableEffect> weakest;
    for (const std::uint64_t bits : kDispersionBlocks) {
      if (!is_planned(sample, bits)) continue;
      const MinimumDetectableEffect effect = effect_at(bits, sample, alpha, beta);
      if (!weakest || effect.value > weakest->value) weakest = effect;
    }
    return weakest;
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<ChunkObserver<DispersionCounts>>(DispersionCounts{});
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const DispersionCounts& counts = counts_of<DispersionCounts>(seen);
    std::vector<Statistic> statistics;
    std::uint64_t blocks = 0;
    for (std::size_t i = 0; i < kDispersionBlocks.size(); ++i) {
      const std::uint64_t bits = kDispersionBlocks[i];
      const stats::BlockSums& sums = counts.sums[i];
      if (!is_planned(context.sample, bits)) continue;
      if (!stats::dispersion_is_valid(bits, sums.blocks, context.p)) continue;
      blocks += sums.blocks;
      statistics.push_back(statistic_of(bits, sums, context));
    }
    if (statistics.empty() && !context.recentred)
      return invalid("fewer than 256 blocks, or n p q below 1000 over all of them");
    return judge_statistics(std::move(statistics), blocks, [&](const Statistic& s) {
      return fmt::format(
          "the number of drops in {} mask entries varies {:.4g} times as much as that of independent drops{}",
          s.name, ratio_of(s), likely_cause(ratio_of(s)));
    });
  }

 private:
  static Statistic statistic_of(std::uint64_t bits, const stats::BlockSums& sums,
                                const JudgeContext& context) {
    const stats::DispersionTest test = stats::dispersion_test(bits, sums, context.p);
    Statistic s;
    s.id = "S4";
    s.name = name_of(bits);
    s.counts = {{"bits", {bits}},
                {"blocks", {sums.blocks}},
                {"sum_drops", {sums.drops}},
                {"sum_squares", {sums.squares}}};
    s.null_law = "sum over blocks of (c - bits p)^2 / (bits p q), c independent Binomial(bits, p)";
    s.null_parameters = {{"p", context.p}};
    s.value = test.statistic;
    set_tail(s, test.tail, context.alpha);
    s.effect =
        Effect{(test.variance_ratio - 1) / static_cast<double>(bits - 1), kUnit, std::nullopt, std::nullopt};
    s.minimum_detectable_effect = effect_at(bits, context.sample, context.alpha, kBeta);
    return s;
  }
};

}  // namespace

void add_dispersion(Registry& registry) { registry.add_check(std::make_unique<Dispersion>()); }

}  // namespace dropcheck::suites
