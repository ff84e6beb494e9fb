// channel_correlation.linear_complexity (S18), recommended: masks at p = 1/2 that are single bits of a
// generator which is linear over two elements. That is a fact worth knowing, not a defect of a dropout:
// PyTorch's masks on the CPU are such bits of MT19937.

#include "harness/stats/linear_complexity.hpp"

#include <algorithm>

#include "harness/stats/fair_bits.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/chunk_observer.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {
namespace {

using stats::ComplexityCounts;
constexpr const char* kUnit = "bits of linear complexity below half the length";
constexpr const char* kRule = "no block has 45000 mask entries";

std::uint64_t planned_sequences(const SampleInfo& sample) {
  const std::uint64_t entries = sample.calls * static_cast<std::uint64_t>(mask_count(sample.problem));
  return entries >= stats::kComplexityBits ? std::min(sample.blocks, stats::kMostSequences) : 0;
}

class LinearComplexity final : public Check {
 public:
  LinearComplexity() : Check(catalogue_row("channel_correlation.linear_complexity")) {}

  Applicability applies(const SampleInfo& sample) const override {
    if (!stats::is_fair(sample.problem.p)) return Applicability::no();  // linearity shows nowhere else
    if (!needs_arrangement(sample).applies) return needs_arrangement(sample);
    return planned_sequences(sample) == 0 ? Applicability::rule_fails(kRule) : Applicability::yes();
  }
  /// The same for all samples of four blocks or more.
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    const auto sequences = static_cast<std::size_t>(std::max<std::uint64_t>(planned_sequences(sample), 1));
    return MinimumDetectableEffect{static_cast<double>(stats::complexity_min_deficit(sequences, alpha)),
                                   kUnit, 1 - beta};
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<ChunkObserver<ComplexityCounts>>(ComplexityCounts{});
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& counts = counts_of<ComplexityCounts>(seen);
    if (!stats::is_fair(context.p)) return context.recentred ? Judgement{} : invalid("p is not 1/2");
    if (counts.complexity.empty()) return invalid(kRule);
    const stats::ComplexityTest test = stats::complexity_test(counts);
    std::vector<Int128> complexities;
    for (const auto& [block, complexity] : counts.complexity) complexities.push_back(complexity);
    Statistic s;
    s.id = "S18";
    s.name = "linear complexity";
    s.counts = {{"bits", {stats::kComplexityBits}}, {"complexities", complexities}};
    s.null_law =
        "P(complexity <= L) = (2 4^L + 1) / (3 2^bits) for L <= bits/2, doubled, the smallest p-value times "
        "their number";
    s.value = static_cast<double>(test.complexity);
    set_tail(s, test.tail, context.alpha);
    s.effect = Effect{static_cast<double>(stats::kComplexityBits) / 2 - static_cast<double>(test.complexity),
                      kUnit, std::nullopt, std::nullopt};
    s.minimum_detectable_effect = detectable(context.sample, context.alpha, kBeta);
    return judge_statistics({s}, counts.complexity.size() * stats::kComplexityBits, [&](const Statistic&) {
      return fmt::format(
          "a linear feedback shift register of {} bits makes the first {} mask entries of block {}: the "
          "mask is a linear function of a generator's state of about that size{}",
          test.complexity, stats::kComplexityBits, test.block,
          test.complexity + 2 >= kMersenneState && test.complexity <= kMersenneState + 2 ? ", that of MT19937"
                                                                                         : "");
    });
  }

 private:
  static constexpr std::uint64_t kMersenneState = 19937;
};

}  // namespace

void add_linear_complexity(Registry& registry) { registry.add_check(std::make_unique<LinearComplexity>()); }

}  // namespace dropcheck::suites
