// channel_correlation.boundaries (S23): pairs of entries on both sides of a seam between threads, warps or
// blocks, the last two entries of a call, and the rates of the first and last entries of a call and of its
// incomplete last vector.

#include "harness/stats/boundaries.hpp"

#include <algorithm>
#include <cmath>

#include "harness/stats/binomial.hpp"
#include "harness/stats/hypergeometric.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/judging.hpp"
#include "suites/mask_observer.hpp"

namespace dropcheck::suites {
namespace {

constexpr const char* kPairUnit = "correlation across seams";
constexpr const char* kLastTwoUnit = "correlation of the last two entries of calls";
constexpr const char* kRateUnit = "drop probability of these entries";
/// n p q below which a part of the entries can show nothing but a catastrophe.
constexpr double kLeastVariance = 100;

class Boundaries final : public MergingObserver<Boundaries> {
 public:
  void observe(const StepRecord& record) override {
    MaskBits scratch;
    counts.add(mask_entries(record, scratch));
  }
  void add(const Boundaries& later) { counts.merge(later.counts); }
  stats::BoundaryCounts counts;
};

struct Seam {
  std::string name;
  std::uint64_t pairs;
  std::size_t spacing, lag;  // indices; both 0 for the last two entries of calls
  bool last_two = false;
};
constexpr const char* kLastTwo = "last two entries of calls";

const stats::SeamPairs& pairs_of(const stats::BoundaryCounts& counts, const Seam& seam) {
  return seam.last_two ? counts.last_two : counts.seams[seam.spacing][seam.lag];
}

struct Edge {
  std::string name;
  stats::EdgeEntries stats::BoundaryCounts::*single;  // null: a tail
  std::uint64_t width;
  std::uint64_t entries;
};

bool enough(std::uint64_t n, double p) { return static_cast<double>(n) * p * (1 - p) >= kLeastVariance; }

std::uint64_t calls_of(const SampleInfo& sample) { return sample.blocks * sample.calls; }

/// What is tested on a sample, from its planned numbers alone.
std::vector<Seam> planned_seams(const SampleInfo& sample) {
  std::vector<Seam> seams;
  const auto entries = static_cast<std::uint64_t>(mask_count(sample.problem));
  for (std::size_t b = 0; b < stats::kSeamSpacings.size(); ++b)
    for (std::size_t l = 0; l < stats::kSeamLags.size(); ++l) {
      const std::uint64_t pairs =
          calls_of(sample) * stats::seam_pairs(entries, stats::kSeamSpacings[b], stats::kSeamLags[l]);
      if (!enough(pairs, sample.problem.p)) continue;
      seams.push_back({fmt::format("entries {} apart across seams every {}", stats::kSeamLags[l],
                                   stats::kSeamSpacings[b]),
                       pairs, b, l});
    }
  // Where a vector is incomplete, they lie in it: all left over may share a draw, whose rate is right.
  if (entries > 1 && enough(calls_of(sample), sample.problem.p))
    seams.push_back({kLastTwo, calls_of(sample), 0, 0, true});
  return seams;
}

std::vector<Edge> planned_edges(const SampleInfo& sample) {
  std::vector<Edge> edges;
  const auto entries = static_cast<std::uint64_t>(mask_count(sample.problem));
  const std::uint64_t calls = calls_of(sample);
  if (entries == 0) return edges;
  if (enough(calls, sample.problem.p)) {
    edges.push_back({"first entries of calls", &stats::BoundaryCounts::first, 0, calls});
    if (entries > 1) edges.push_back({"last entries of calls", &stats::BoundaryCounts::last, 0, calls});
  }
  for (const std::uint64_t width : stats::tail_widths(entries)) {
    const std::uint64_t n = calls * (entries % width);
    if (enough(n, sample.problem.p))
      edges.push_back({fmt::format("incomplete last vectors of {}", width), nullptr, width, n});
  }
  return edges;
}

class BoundariesCheck final : public Check {
 public:
  BoundariesCheck() : Check(catalogue_row("channel_correlation.boundaries")) {}

  Applicability applies(const SampleInfo& sample) const override {
    if (!needs_arrangement(sample).applies) return needs_arrangement(sample);
    if (hypotheses(sample) == 0)
      return Applicability::rule_fails("n p q of the entries next to seams and ends of calls is below 100");
    return Applicability::yes();
  }
  unsigned hypotheses(const SampleInfo& sample) const override {
    return static_cast<unsigned>(planned_seams(sample).size() + planned_edges(sample).size());
  }
  /// Of the seams where there are any; the others have units of their own.
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    const Seam* fewest_pairs = nullptr;
    const std::vector<Seam> seams = planned_seams(sample);
    for (const Seam& seam : seams)
      if (!seam.last_two && (fewest_pairs == nullptr || seam.pairs < fewest_pairs->pairs))
        fewest_pairs = &seam;
    if (fewest_pairs != nullptr) return seam_effect(*fewest_pairs, sample.problem.p, alpha, beta);
    const std::vector<Edge> edges = planned_edges(sample);
    if (edges.empty()) return std::nullopt;
    const auto fewest = std::min_element(edges.begin(), edges.end(),
                                         [](const Edge& a, const Edge& b) { return a.entries < b.entries; });
    return edge_effect(fewest->entries, sample.problem.p, alpha, beta);
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<Boundaries>();
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const stats::BoundaryCounts& counts = static_cast<const Boundaries&>(seen).counts;
    std::vector<Statistic> statistics;
    std::uint64_t comparisons = 0;
    for (const Seam& seam : planned_seams(context.sample)) {
      statistics.push_back(seam_statistic(counts, seam, context));
      comparisons += pairs_of(counts, seam).pairs;
    }
    for (const Edge& edge : planned_edges(context.sample)) {
      const stats::EdgeEntries& entries =
          edge.single != nullptr ? counts.*edge.single : counts.tails[stats::tail_index(edge.width)];
      statistics.push_back(edge_statistic(entries, edge, context));
      comparisons += entries.entries;
    }
    return judge_statistics(std::move(statistics), comparisons, [&](const Statistic& s) {
      if (s.effect->unit != kRateUnit)
        return fmt::format(
            "{} are not independent: correlation {:.4g}; both are dropped {} times in {}, one side "
            "{} and the other {} times. Something is shared or repeated where {}",
            s.name, s.effect->value, to_string(s.counts[3].second[0]), to_string(s.counts[0].second[0]),
            to_string(s.counts[1].second[0]), to_string(s.counts[2].second[0]),
            s.name == kLastTwo ? "a call ends" : "two threads, vectors or blocks meet");
      return fmt::format(
          "{} are dropped at {:.6g} [{:.6g}, {:.6g}] where p = {} was asked for: the ends of a call "
          "are handled apart",
          s.name, s.effect->value, *s.effect->lower, *s.effect->upper, context.p);
    });
  }

 private:
  static const char* unit_of(const Seam& seam) { return seam.last_two ? kLastTwoUnit : kPairUnit; }
  static MinimumDetectableEffect seam_effect(const Seam& seam, double p, double alpha, double beta) {
    return {stats::overlap_min_effect(seam.pairs, alpha, beta, p), unit_of(seam), 1 - beta};
  }
  static MinimumDetectableEffect edge_effect(std::uint64_t entries, double p, double alpha, double beta) {
    return {stats::binomial_min_effect(entries, alpha, beta, p), kRateUnit, 1 - beta};
  }

  static Statistic seam_statistic(const stats::BoundaryCounts& counts, const Seam& seam,
                                  const JudgeContext& context) {
    const stats::SeamPairs& pairs = pairs_of(counts, seam);
    const auto n = static_cast<double>(pairs.pairs), left = static_cast<double>(pairs.left),
               right = static_cast<double>(pairs.right);
    Statistic s;
    s.id = "S23";
    s.name = seam.name;
    s.counts = {
        {"pairs", {pairs.pairs}}, {"left", {pairs.left}}, {"right", {pairs.right}}, {"both", {pairs.both}}};
    s.null_law = "hypergeometric: pairs of disjoint entries, given the drops on either side";
    s.value = static_cast<double>(pairs.both);
    set_tail(s, stats::hypergeometric_two_sided(pairs.pairs, pairs.left, pairs.right, pairs.both),
             context.alpha);
    const double spread = std::sqrt(left * (n - left)) * std::sqrt(right * (n - right));
    const double covariance = n * static_cast<double>(pairs.both) - left * right;
    s.effect = Effect{spread > 0 ? covariance / spread : 0, unit_of(seam), std::nullopt, std::nullopt};
    s.minimum_detectable_effect = seam_effect(seam, context.sample.problem.p, context.alpha, kBeta);
    return s;
  }

  static Statistic edge_statistic(const stats::EdgeEntries& entries, const Edge& edge,
                                  const JudgeContext& context) {
    Statistic s;
    s.id = "S23";
    s.name = edge.name;
    s.counts = {{"n", {entries.entries}}, {"x", {entries.drops}}};
    s.null_law = "Binomial(n, p)";
    s.null_parameters = {{"p", context.p}};
    s.value = static_cast<double>(entries.drops);
    set_tail(s, stats::binomial_two_sided(entries.entries, entries.drops, context.p), context.alpha);
    const stats::Interval interval = stats::clopper_pearson(entries.entries, entries.drops, context.alpha);
    s.effect = Effect{static_cast<double>(entries.drops) / static_cast<double>(entries.entries), kRateUnit,
                      interval.lower, interval.upper};
    s.minimum_detectable_effect = edge_effect(edge.entries, context.sample.problem.p, context.alpha, kBeta);
    return s;
  }
};

}  // namespace

void add_boundaries(Registry& registry) { registry.add_check(std::make_unique<BoundariesCheck>()); }

}  // namespace dropcheck::suites
