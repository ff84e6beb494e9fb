// mask_rate.position: S29, the number of drops at every position of a small tensor over many calls.
// Heterogeneity is Pearson's chi-squared where T p q >= 1000 and the exact randomised-PIT sum elsewhere; the
// worst position is exact binomial times positions.

#include "harness/stats/binomial.hpp"
#include "harness/stats/chi_squared.hpp"
#include "harness/stats/randomised_pit.hpp"
#include "harness/stats/worst_cell.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/judging.hpp"
#include "suites/mask_observer.hpp"

namespace dropcheck::suites {
namespace {

constexpr std::int64_t kMostPositions = 1 << 16;

class PositionCounts final : public MergingObserver<PositionCounts> {
 public:
  explicit PositionCounts(std::size_t positions) : drops(positions, 0) {}
  void observe(const StepRecord& record) override {
    MaskBits scratch;
    for_each_drop(mask_entries(record, scratch), [&](std::uint64_t i) { ++drops[i]; });
    ++calls;
  }
  void add(const PositionCounts& later) {
    for (std::size_t i = 0; i < drops.size(); ++i) drops[i] += later.drops[i];
    calls += later.calls;
  }
  std::vector<std::uint64_t> drops;
  std::uint64_t calls = 0;
};

class Position final : public Check {
 public:
  Position() : Check(catalogue_row("mask_rate.position")) {}

  Applicability applies(const SampleInfo& sample) const override {
    if (mask_count(sample.problem) > kMostPositions || mask_count(sample.problem) == 0)
      return Applicability::rule_fails(
          "a tensor of more than 65536 mask entries: give mask_rate.position a smaller shape");
    return needs_arrangement(sample);
  }
  unsigned hypotheses(const SampleInfo&) const override { return 2; }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha) const override {
    const auto positions = static_cast<double>(mask_count(sample.problem));
    return MinimumDetectableEffect{
        stats::binomial_min_effect(sample.blocks * sample.calls, alpha / positions, kBeta, sample.problem.p),
        "drop probability of one position", kPower};
  }
  std::unique_ptr<Observer> observer(const SampleInfo& sample) const override {
    return std::make_unique<PositionCounts>(static_cast<std::size_t>(mask_count(sample.problem)));
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& positions = static_cast<const PositionCounts&>(seen);
    const double p = context.sample.problem.p;
    const std::size_t m = positions.drops.size();
    const std::vector<std::uint64_t> trials(m, positions.calls);

    Statistic spread;
    spread.id = "S29";
    spread.name = "rates of all positions";
    spread.counts = {
        {"calls", {positions.calls}}, {"drops", integers(positions.drops)}, {"pit_key", {context.pit_key}}};
    spread.null_law = fmt::format("independent Binomial(calls, p) counts: chi-squared({})", m);
    spread.null_parameters = {{"p", p}, {"degrees_of_freedom", static_cast<double>(m)}};
    if (const auto pearson = stats::pearson_cells(positions.drops, positions.calls, p)) {
      const double expected = p * static_cast<double>(positions.calls);
      for (const std::uint64_t drops : positions.drops)
        spread.value += (static_cast<double>(drops) - expected) * (static_cast<double>(drops) - expected) /
                        (expected * (1 - p));
      set_tail(spread, *pearson, context.alpha);
    } else {
      const auto pit = stats::randomised_pit_chi_squared(positions.drops, trials, p, context.pit_key);
      spread.value = pit.statistic;
      set_tail(spread, pit.tail, context.alpha);
    }
    spread.minimum_detectable_effect = MinimumDetectableEffect{
        stats::chi_squared_min_effect(static_cast<double>(m), m * positions.calls, context.alpha, kBeta, p),
        "rms deviation of position rates", kPower};

    const stats::WorstCell worst = stats::worst_cell(positions.drops, trials, p);
    const stats::Interval interval =
        stats::clopper_pearson(worst.trials, worst.count, context.alpha / static_cast<double>(m));
    const double rate = static_cast<double>(worst.count) / static_cast<double>(worst.trials);
    Statistic one;
    one.id = "S29";
    one.name = "worst position";
    one.counts = {{"position", {static_cast<Int128>(worst.index)}},
                  {"n", {worst.trials}},
                  {"x", {worst.count}},
                  {"positions", {static_cast<Int128>(m)}}};
    one.null_law = "Binomial(n, p), the smallest of all p-values times their number";
    one.null_parameters = {{"p", p}};
    set_tail(one, worst.tail, context.alpha);
    one.effect = Effect{rate, "drop probability of one position", interval.lower, interval.upper};
    one.minimum_detectable_effect = detectable(context.sample, context.alpha);

    return judge_statistics({one, spread}, m * positions.calls, [&](const Statistic& s) {
      if (s.name == spread.name)
        return fmt::format(
            "the drop rates of the {} positions differ more or less than chance allows over {} calls", m,
            positions.calls);
      return fmt::format("element {} of {} is dropped in {} of {} calls ({:.4g}) where p = {} was asked for",
                         worst.index, m, worst.count, worst.trials, rate, p);
    });
  }
};

}  // namespace

void add_position(Registry& registry) { registry.add_check(std::make_unique<Position>()); }

}  // namespace dropcheck::suites
