// mask_rate.gaps: S12, the distances between successive drops (keeps where those are rarer), as a histogram
// and by its oddest cell.

#include "harness/stats/gaps.hpp"

#include <algorithm>
#include <cmath>

#include "harness/stats/binomial.hpp"
#include "harness/stats/extreme_cell.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/chunk_observer.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {
namespace {

using stats::GapCounts;
constexpr const char* kHistogramUnit = "Cohen's w between the histograms";
constexpr const char* kCellUnit = "probability of one distance";

std::uint64_t planned(const SampleInfo& sample) {
  const ChunkCounts chunks = sample.chunks();
  const double r = std::min(sample.problem.p, 1 - sample.problem.p);
  std::uint64_t gaps = chunks.full * stats::planned_gaps(kChunkBits, r);
  if (chunks.tails > 0) gaps += chunks.tails * stats::planned_gaps(chunks.tail_size, r);
  return gaps;
}

std::string distance_text(std::size_t cell, std::size_t cells) {
  return cell + 1 == cells ? fmt::format("{} or more", cells) : fmt::format("{}", cell + 1);
}

class Gaps final : public Check {
 public:
  Gaps() : Check(catalogue_row("mask_rate.gaps")) {}

  Applicability applies(const SampleInfo& sample) const override {
    if (!needs_arrangement(sample).applies) return needs_arrangement(sample);
    if (!stats::gap_degrees_of_freedom(planned(sample), sample.problem.p))
      return Applicability::rule_fails("pooling distances to 1000 expected each leaves fewer than two cells");
    return Applicability::yes();
  }
  unsigned hypotheses(const SampleInfo&) const override { return 2; }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    return MinimumDetectableEffect{stats::gap_min_effect(planned(sample), alpha, beta, sample.problem.p),
                                   kHistogramUnit, 1 - beta};
  }
  std::unique_ptr<Observer> observer(const SampleInfo& sample) const override {
    return std::make_unique<ChunkObserver<GapCounts>>(GapCounts(sample.problem.p));
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const GapCounts& counts = counts_of<GapCounts>(seen);
    // How many gaps are read follows from the p that was asked for: too many for a much lower rate.
    if (context.recentred && (counts.missing() > 0 || context.p == 0 || context.p == 1)) return {};
    const auto pooled = stats::gap_test(counts, context.p);
    if (!pooled)
      return context.recentred ? Judgement{} : invalid("too few drops for a histogram of distances");
    const std::size_t cells = counts.histogram().size();
    const std::string kind = counts.between_drops() ? "drops" : "keeps";
    return judge_statistics(
        {histogram(counts, *pooled, context), extreme(counts, context)}, counts.total(),
        [&](const Statistic& s) {
          if (s.cell)
            return fmt::format(
                "a distance of {} between successive {} occurs with probability {:.6g} [{:.6g}, {:.6g}] "
                "where "
                "independent entries have {:.6g}",
                distance_text(*s.cell, cells), kind, s.effect->value, *s.effect->lower, *s.effect->upper,
                s.null_parameters[1].second);
          const std::string missing =
              counts.missing() == 0 ? ""
                                    : fmt::format("; {} fewer {} than planned for", counts.missing(), kind);
          return fmt::format(
              "the distances between successive {} do not follow the geometric law of independent entries: "
              "chi-squared = {:.6g} for {:.0f} degrees of freedom over {} distances{}",
              kind, s.value, pooled->degrees_of_freedom, counts.total(), missing);
        });
  }

 private:
  static Statistic histogram(const GapCounts& counts, const stats::PooledChiSquared& pooled,
                             const JudgeContext& context) {
    Statistic s;
    s.id = "S12";
    s.name = counts.between_drops() ? "distances between drops" : "distances between keeps";
    // The histogram up to its last used cell; the very last cell holds all longer distances.
    std::size_t used = counts.histogram().size() - 1;
    while (used > 0 && counts.histogram()[used - 1] == 0) --used;
    s.counts = {
        {"cells", {static_cast<Int128>(counts.histogram().size())}},
        {"histogram",
         {counts.histogram().begin(), counts.histogram().begin() + static_cast<std::ptrdiff_t>(used)}},
        {"longer", {counts.histogram().back()}},
        {"missing", {counts.missing()}}};
    s.null_law =
        "distances 1, 2, ... with probabilities r (1-r)^(g-1), r = p between drops and 1-p between keeps, "
        "pooled from the far end to 1000 expected each: chi-squared(cells - 1)";
    s.null_parameters = {{"p", context.p}, {"degrees_of_freedom", pooled.degrees_of_freedom}};
    s.value = pooled.statistic;
    set_tail(s, pooled.tail, context.alpha);
    const double excess =
        (pooled.statistic - pooled.degrees_of_freedom) / static_cast<double>(counts.total());
    s.effect = Effect{std::sqrt(std::max(excess, 0.0)), kHistogramUnit, std::nullopt, std::nullopt};
    s.minimum_detectable_effect = MinimumDetectableEffect{
        stats::gap_min_effect(planned(context.sample), context.alpha, kBeta, context.sample.problem.p),
        kHistogramUnit, kPower};
    return s;
  }

  static Statistic extreme(const GapCounts& counts, const JudgeContext& context) {
    const std::vector<double> law = stats::gap_law(counts.rate(context.p), counts.histogram().size());
    const stats::WorstCell worst =
        stats::extreme_cell(counts.histogram(), law, context.focus ? context.focus->cell : std::nullopt);
    const stats::Interval interval =
        stats::clopper_pearson(worst.trials, worst.count, context.alpha / static_cast<double>(worst.cells));
    Statistic s;
    s.id = "S12";
    s.name = "oddest distance";
    s.cell = worst.index;
    s.counts = {{"distance", {static_cast<Int128>(worst.index + 1)}},
                {"n", {worst.trials}},
                {"x", {worst.count}},
                {"distances", {static_cast<Int128>(worst.cells)}}};
    s.null_law = "Binomial(n, probability), the smallest p-value of all distances times their number";
    s.null_parameters = {{"p", context.p}, {"probability", law[worst.index]}};
    set_tail(s, worst.tail, context.alpha);
    s.effect = Effect{static_cast<double>(worst.count) / static_cast<double>(worst.trials), kCellUnit,
                      interval.lower, interval.upper};
    s.minimum_detectable_effect = MinimumDetectableEffect{
        stats::extreme_cell_min_effect(law, counts.total(), context.alpha, kBeta), kCellUnit, kPower};
    return s;
  }
};

}  // namespace

void add_gaps(Registry& registry) { registry.add_check(std::make_unique<Gaps>()); }

}  // namespace dropcheck::suites
