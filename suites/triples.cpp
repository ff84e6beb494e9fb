// channel_correlation.triples (S16): products of three mask entries at most 32 apart, the worst of 496 forms.

#include "harness/stats/triples.hpp"

#include <cmath>

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/chunk_observer.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {
namespace {

using stats::TripleCounts;
constexpr const char* kUnit = "correlation of three entries";
constexpr const char* kRule = "too few drops for the tail of a product of three entries";
/// From this correlation on two entries decide the third one.
constexpr double kDecided = 0.9;

std::string likely_cause(double correlation, double p) {
  if (p != 0.5 || std::abs(correlation) < kDecided) return "";
  return ": the exclusive or of two of them is the third, as in the low-order recurrence of a shift register "
         "or "
         "lagged Fibonacci generator";
}

class Triples final : public Check {
 public:
  Triples() : Check(catalogue_row("channel_correlation.triples")) {}

  Applicability applies(const SampleInfo& sample) const override {
    if (!needs_arrangement(sample).applies) return needs_arrangement(sample);
    if (!stats::triples_are_valid(stats::planned_triple_entries(sample.chunks()), sample.problem.p,
                                  kPlannedLevel))
      return Applicability::rule_fails(kRule);
    return Applicability::yes();
  }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    return MinimumDetectableEffect{stats::triple_min_effect(stats::planned_triple_entries(sample.chunks()),
                                                            alpha, beta, sample.problem.p),
                                   kUnit, 1 - beta};
  }
  std::unique_ptr<Observer> observer(const SampleInfo& sample) const override {
    return std::make_unique<ChunkObserver<TripleCounts>>(TripleCounts(stats::triple_bits(sample.chunks())));
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& counts = counts_of<TripleCounts>(seen);
    const double p = context.p;
    // A rate close to the planned one is as valid; one that was estimated may be far off.
    if (!(p > 0 && p < 1) || !stats::triples_are_valid(counts.entries(), p, 100 * kPlannedLevel))
      return invalid(kRule);
    const auto chosen = context.focus ? context.focus->cell : std::nullopt;
    const stats::TripleTest test = stats::triple_test(counts, p, chosen);
    const stats::TripleOffsets at = stats::triple_offsets(test.cell);
    Statistic s;
    s.id = "S16";
    s.name = "worst triple";
    s.cell = test.cell;
    s.counts = {{"offsets", {at.i, at.j}},
                {"entries", {counts.entries()}},
                {"drops", {counts.drops()}},
                {"pairs", {counts.both(at.i), counts.both(at.j), counts.both(at.j - at.i)}},
                {"triples", {counts.all_three(test.cell)}},
                {"cells", {chosen ? 1 : static_cast<Int128>(stats::kTripleCount)}}};
    if (p == 0.5) {
      s.null_law = "triples with an odd number of drops are Binomial(entries, 1/2), doubled, times cells";
      s.null_parameters = {{"p", p}};
    } else {
      s.null_law =
          "z, the sum of products of three centred entries over its deviation: normal tail times "
          "exp(skewness "
          "z^3 / 6 + quartic z^4 / 24), doubled, times cells";
      s.null_parameters = {{"p", p}, {"skewness", test.skewness}, {"quartic", test.quartic}};
    }
    s.value = test.z;
    set_tail(s, test.tail, context.alpha);
    s.effect = Effect{test.correlation, kUnit, std::nullopt, std::nullopt};
    s.minimum_detectable_effect = detectable(context.sample, context.alpha, kBeta);
    return judge_statistics({s}, counts.entries(), [&](const Statistic&) {
      return fmt::format(
          "entries t, t + {} and t + {} depend on each other where no two of them need to: "
          "correlation {:.4g}, {:.1f} standard deviations{}",
          at.i, at.j, test.correlation, test.z, likely_cause(test.correlation, p));
    });
  }
};

}  // namespace

void add_triples(Registry& registry) { registry.add_check(std::make_unique<Triples>()); }

}  // namespace dropcheck::suites
