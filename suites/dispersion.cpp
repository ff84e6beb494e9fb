// mask_rate.dispersion: S4, the variance of the number of drops in blocks of 64, 1024 and 65536 mask entries
// and in whole calls, against that of independent drops. Both tails count: masks whose blocks are too much
// alike are as wrong as masks with a rate that varies.

#include "harness/stats/dispersion.hpp"

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
constexpr const char* kWholeCalls = "whole calls";

/// A call of fewer entries is no block: the law of a block is compared with exact ones from there on.
constexpr std::uint64_t kSmallestCall = 64;

/// Numbers of drops in stretches of chunks and in whole calls.
class DropCounts final : public MergingObserver<DropCounts> {
 public:
  void observe(const StepRecord& record) override {
    MaskBits scratch;
    const std::uint64_t drops = mask_entries(record, scratch).count();
    ++calls.blocks;
    calls.drops += static_cast<Int128>(drops);
    calls.squares += static_cast<Int128>(drops) * static_cast<Int128>(drops);
  }
  void observe_chunk(const Chunk& chunk) override {
    if (chunk.order == Order::logical) stretches.add(chunk);
  }
  void add(const DropCounts& later) {
    stretches.merge(later.stretches);
    calls.blocks += later.calls.blocks;
    calls.drops += later.calls.drops;
    calls.squares += later.calls.squares;
  }

  DispersionCounts stretches;
  stats::BlockSums calls;
};

/// Blocks of one length of a sample, from its planned numbers alone.
struct Blocks {
  std::string name;
  std::uint64_t bits, number;
  std::optional<std::size_t> stretch;  // index into kDispersionBlocks; absent: whole calls

  const stats::BlockSums& sums(const DropCounts& counts) const {
    return stretch ? counts.stretches.sums[*stretch] : counts.calls;
  }
};

std::vector<Blocks> planned_blocks(const SampleInfo& sample) {
  std::vector<Blocks> planned;
  const auto plan = [&](Blocks blocks) {
    if (stats::dispersion_is_valid(blocks.bits, blocks.number, sample.problem.p))
      planned.push_back(std::move(blocks));
  };
  for (std::size_t i = 0; i < kDispersionBlocks.size(); ++i) {
    const std::uint64_t bits = kDispersionBlocks[i];
    plan({fmt::format("blocks of {}", bits), bits, sample.chunks().blocks_of(bits), i});
  }
  const auto entries = static_cast<std::uint64_t>(mask_count(sample.problem));
  if (entries >= kSmallestCall) plan({kWholeCalls, entries, sample.blocks * sample.calls, std::nullopt});
  return planned;
}

MinimumDetectableEffect effect_of(const Blocks& blocks, double p, double alpha, double beta) {
  const double ratio = stats::dispersion_min_effect(blocks.bits, blocks.number, alpha, beta, p);
  return {ratio / static_cast<double>(blocks.bits - 1), kUnit, 1 - beta};
}

double ratio_of(const Statistic& s) {
  return s.value / static_cast<double>(static_cast<std::uint64_t>(s.counts[1].second[0]));
}

std::string likely_cause(double ratio, bool of_calls) {
  if (ratio < 0.1)
    return fmt::format("; each {} seems to get a fixed number of drops", of_calls ? "call" : "block");
  if (ratio < 1) return "; drops are spread more evenly than independent draws are";
  if (of_calls) return "; calls have rates of their own, or entries are dropped together";
  return "; neighbours are dropped together, or blocks have rates of their own";
}

std::string where_text(const Statistic& s) {
  if (s.name != kWholeCalls) return s.name + " mask entries";
  return fmt::format("{} of {} mask entries", s.name, to_string(s.counts[0].second[0]));
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
    return static_cast<unsigned>(planned_blocks(sample).size());
  }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    std::optional<MinimumDetectableEffect> weakest;
    for (const Blocks& blocks : planned_blocks(sample)) {
      const MinimumDetectableEffect effect = effect_of(blocks, sample.problem.p, alpha, beta);
      if (!weakest || effect.value > weakest->value) weakest = effect;
    }
    return weakest;
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<DropCounts>();
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& counts = static_cast<const DropCounts&>(seen);
    std::vector<Statistic> statistics;
    std::uint64_t number = 0;
    for (const Blocks& blocks : planned_blocks(context.sample)) {
      const stats::BlockSums& sums = blocks.sums(counts);
      if (!stats::dispersion_is_valid(blocks.bits, sums.blocks, context.p)) continue;
      number += sums.blocks;
      statistics.push_back(statistic_of(blocks, sums, context));
    }
    if (statistics.empty() && !context.recentred)
      return invalid("fewer than 256 blocks, or n p q below 1000 over all of them");
    return judge_statistics(std::move(statistics), number, [&](const Statistic& s) {
      return fmt::format(
          "the number of drops in {} varies {:.4g} times as much as that of independent drops{}",
          where_text(s), ratio_of(s), likely_cause(ratio_of(s), s.name == kWholeCalls));
    });
  }

 private:
  static Statistic statistic_of(const Blocks& blocks, const stats::BlockSums& sums,
                                const JudgeContext& context) {
    const stats::DispersionTest test = stats::dispersion_test(blocks.bits, sums, context.p);
    Statistic s;
    s.id = "S4";
    s.name = blocks.name;
    s.counts = {{"bits", {blocks.bits}},
                {"blocks", {sums.blocks}},
                {"sum_drops", {sums.drops}},
                {"sum_squares", {sums.squares}}};
    s.null_law = "sum over blocks of (c - bits p)^2 / (bits p q), c independent Binomial(bits, p)";
    s.null_parameters = {{"p", context.p}};
    s.value = test.statistic;
    set_tail(s, test.tail, context.alpha);
    s.effect = Effect{(test.variance_ratio - 1) / static_cast<double>(blocks.bits - 1), kUnit, std::nullopt,
                      std::nullopt};
    s.minimum_detectable_effect = effect_of(blocks, context.sample.problem.p, context.alpha, kBeta);
    return s;
  }
};

}  // namespace

void add_dispersion(Registry& registry) { registry.add_check(std::make_unique<Dispersion>()); }

}  // namespace dropcheck::suites
