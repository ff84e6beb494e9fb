// channel_correlation.lags (S6) and channel_correlation.structural_lags (S7): correlation of mask entries a
// fixed distance apart, one hypothesis a distance and order. Where the layout makes memory order differ from
// logical order both are read: a kernel that draws by thread shows its defect in one of them only.

#include "harness/stats/lags.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "harness/stats/overlap_law.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/chunk_observer.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {
namespace {

using stats::LagCounts;
constexpr const char* kUnit = "correlation between entries";

class LagObserver final : public MergingObserver<LagObserver> {
 public:
  explicit LagObserver(const std::vector<std::uint32_t>& lags) : logical(lags), memory(lags) {}
  void observe_chunk(const Chunk& chunk) override {
    (chunk.order == Order::logical ? logical : memory).add(chunk);
  }
  void add(const LagObserver& later) {
    logical.merge(later.logical);
    memory.merge(later.memory);
  }
  LagCounts logical, memory;
};

/// The lags that a sample has enough pairs for: valid tails, and at least half as many pairs as entries, or
/// the chunks are hardly longer than the lag.
std::vector<std::uint32_t> planned(const std::vector<std::uint32_t>& lags, const SampleInfo& sample) {
  std::vector<std::uint32_t> fitting;
  for (const std::uint32_t lag : lags) {
    const std::uint64_t pairs = sample.chunks().pairs(lag);
    if (2 * pairs >= sample.mask_entries() && stats::products_are_valid(pairs, sample.problem.p))
      fitting.push_back(lag);
  }
  return fitting;
}

std::vector<Order> orders(const SampleInfo& sample) {
  if (has_memory_order(sample.problem)) return {Order::logical, Order::memory};
  return {Order::logical};
}

std::string name_of(std::uint32_t lag, Order order) {
  return fmt::format("lag {}{}", lag, order == Order::memory ? ", memory order" : "");
}

/// Correlation by lag, of one order.
using Correlations = std::map<std::uint32_t, double>;

Correlations correlations(const LagCounts& counts, double p) {
  Correlations found;
  for (std::size_t i = 0; i < counts.lags().size(); ++i)
    if (counts.pairs(i).n > 0) found[counts.lags()[i]] = stats::pair_correlation(counts.pairs(i), p);
  return found;
}

/// How many entries in a row agree, when every `stride`-th of them is looked at: g, when the correlations at
/// stride, 2 stride, ... are (g-1)/g, (g-2)/g, ..., 0; 0 when they are not.
unsigned group_size(const Correlations& found, std::uint32_t stride) {
  constexpr double kNear = 0.05;
  for (unsigned group = 2; group <= 32; ++group) {
    bool fits = true;
    for (unsigned j = 1; j <= group && fits; ++j) {
      const auto at = found.find(j * stride);
      // Of a group of two only the first correlation need be known.
      fits = at == found.end() ? group == 2 && j == 2
                               : std::abs(at->second - static_cast<double>(group - j) / group) < kNear;
    }
    if (fits) return group;
  }
  return 0;
}

/// A guess at the defect behind a correlation, when the others tell.
std::string likely_cause(const Correlations& found, std::uint32_t lag, double correlation) {
  constexpr double kNear = 0.05;
  for (const auto& [stride, rho] : found) {
    if (rho < 0.5 - kNear || lag % stride != 0) continue;
    const unsigned group = group_size(found, stride);
    if (group == 0 || lag / stride >= group) continue;
    if (stride == 1)
      return fmt::format("; elements {0}k..{0}k+{1} agree: one draw may serve {0} lanes", group, group - 1);
    return fmt::format("; {} entries that lie {} apart agree: one draw may serve {} rows or threads", group,
                       stride, group);
  }
  if (correlation > 1 - kNear)
    return fmt::format("; the mask repeats itself every {} entries: the random stream may be that short",
                       lag);
  if (correlation < 0 && found.begin()->second < 0)
    return "; drops keep a distance from each other: they may be spread evenly instead of drawn "
           "independently";
  return "";
}

class Lags final : public Check {
 public:
  Lags(const char* id, std::vector<std::uint32_t> lags) : Check(catalogue_row(id)), lags_(std::move(lags)) {}

  Applicability applies(const SampleInfo& sample) const override {
    if (!needs_arrangement(sample).applies) return needs_arrangement(sample);
    if (planned(lags_, sample).empty())
      return Applicability::rule_fails(fmt::format(
          "too few pairs of entries {} or more apart inside chunks for a valid tail", lags_.front()));
    return Applicability::yes();
  }
  unsigned hypotheses(const SampleInfo& sample) const override {
    return static_cast<unsigned>(planned(lags_, sample).size() * orders(sample).size());
  }
  /// At the lag with the fewest pairs; no lag needs more.
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    const std::vector<std::uint32_t> fitting = planned(lags_, sample);
    if (fitting.empty()) return std::nullopt;
    const std::uint64_t fewest = sample.chunks().pairs(fitting.back());
    return MinimumDetectableEffect{stats::lag_min_effect(fewest, alpha, beta, sample.problem.p), kUnit,
                                   1 - beta};
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<LagObserver>(lags_);
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& observed = static_cast<const LagObserver&>(seen);
    const double p = context.p;
    const std::vector<std::uint32_t> fitting = planned(lags_, context.sample);
    std::vector<Statistic> statistics;
    std::uint64_t comparisons = 0;
    const auto effects = effects_of(fitting, context);
    for (const Order order : orders(context.sample)) {
      const LagCounts& counts = order == Order::logical ? observed.logical : observed.memory;
      const std::vector<stats::ChunkKind> chunks = counts.chunks();
      for (std::size_t i = 0; i < counts.lags().size(); ++i) {
        const std::uint32_t lag = counts.lags()[i];
        if (!std::binary_search(fitting.begin(), fitting.end(), lag)) continue;
        if (context.focus && context.focus->hypothesis != name_of(lag, order)) continue;
        if (!stats::products_are_valid(counts.pairs(i).n, p)) continue;
        comparisons += counts.pairs(i).n;
        statistics.push_back(statistic(counts.pairs(i), chunks, lag, order, context));
        statistics.back().minimum_detectable_effect =
            MinimumDetectableEffect{effects.at(lag), kUnit, 1 - kBeta};
      }
    }
    if (statistics.empty()) return invalid("too few pairs of entries at this drop probability");
    return judge_statistics(std::move(statistics), comparisons, [&](const Statistic& s) {
      const auto lag = static_cast<std::uint32_t>(s.counts.front().second.front());
      const bool in_memory = s.name == name_of(lag, Order::memory);
      return fmt::format("entries {} apart{} are dropped {}: correlation {:.4g} over {} pairs{}", lag,
                         in_memory ? " in memory" : "",
                         s.effect->value > 0 ? "together" : "together less often than independent ones",
                         s.effect->value, to_string(s.counts[4].second.front()),
                         likely_cause(correlations(in_memory ? observed.memory : observed.logical, p), lag,
                                      s.effect->value));
    });
  }

 private:
  /// By lag. Lags whose numbers of pairs differ by less than a hundredth share the effect of the fewest.
  static std::map<std::uint32_t, double> effects_of(const std::vector<std::uint32_t>& lags,
                                                    const JudgeContext& context) {
    const SampleInfo& sample = context.sample;
    std::map<std::uint32_t, double> effects;
    std::uint64_t fewest = 0;
    double effect = 0;
    for (auto lag = lags.rbegin(); lag != lags.rend(); ++lag) {
      const std::uint64_t pairs = sample.chunks().pairs(*lag);
      if (fewest == 0 || pairs > fewest + fewest / 100) {
        fewest = pairs;
        effect = stats::lag_min_effect(pairs, context.alpha, kBeta, sample.problem.p);
      }
      effects[*lag] = effect;
    }
    return effects;
  }

  Statistic statistic(const stats::PairProducts& pairs, const std::vector<stats::ChunkKind>& chunks,
                      std::uint32_t lag, Order order, const JudgeContext& context) const {
    const double p = context.p;
    Statistic s;
    s.id = info().statistics.front();
    s.name = name_of(lag, order);
    s.counts = {
        {"lag", {lag}}, {"n11", {pairs.n11}}, {"n1L", {pairs.n1L}}, {"n1R", {pairs.n1R}}, {"n", {pairs.n}}};
    std::vector<Int128> sizes, numbers;
    for (const stats::ChunkKind& kind : chunks) {
      sizes.push_back(kind.size);
      numbers.push_back(kind.count);
    }
    s.counts.push_back({"chunk_sizes", sizes});
    s.counts.push_back({"chunks", numbers});
    s.null_law = p == 0.5 ? "pairs that agree: Binomial(n, 1/2)"
                          : "n11 - p (n1L + n1R) + n p^2: chains of independent entries inside chunks";
    s.null_parameters = {{"p", p}};
    s.value = stats::centred_sum(pairs, p) / (std::sqrt(static_cast<double>(pairs.n)) * p * (1 - p));
    set_tail(s, stats::lag_two_sided(pairs, chunks, lag, p), context.alpha);
    s.effect = Effect{stats::pair_correlation(pairs, p), kUnit, std::nullopt, std::nullopt};
    return s;
  }

  std::vector<std::uint32_t> lags_;
};

}  // namespace

void add_lags(Registry& registry) {
  registry.add_check(std::make_unique<Lags>("channel_correlation.lags", stats::short_lags()));
  registry.add_check(std::make_unique<Lags>("channel_correlation.structural_lags", stats::structural_lags()));
}

}  // namespace dropcheck::suites
