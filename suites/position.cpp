// mask_rate.position: S29, the number of drops at every position of a small tensor over many calls.
// Heterogeneity is Pearson's chi-squared where T p q >= 1000 and the exact randomised-PIT sum elsewhere; the
// worst position is exact binomial times positions.

#include <utility>

#include "harness/stats/binomial.hpp"
#include "harness/stats/chi_squared.hpp"
#include "harness/stats/kernels/position_counts.hpp"
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
  explicit PositionCounts(std::size_t positions) : drops_(positions, 0), recent_(positions, 0) {}
  void observe(const StepRecord& record) override {
    MaskBits scratch;
    stats::kernels::add_bits(mask_entries(record, scratch).words(), recent_);
    ++calls;
    if (++recent_calls_ == kMostRecent) settle();
  }
  void add(const PositionCounts& later) {
    for (std::size_t i = 0; i < drops_.size(); ++i) drops_[i] += later.drops_[i] + later.recent_[i];
    calls += later.calls;
  }
  std::vector<std::uint64_t> drops() const {
    std::vector<std::uint64_t> all = drops_;
    for (std::size_t i = 0; i < all.size(); ++i) all[i] += recent_[i];
    return all;
  }
  std::uint64_t calls = 0;

 private:
  static constexpr unsigned kMostRecent = 255;  // calls that bytes can count

  void settle() {
    for (std::size_t i = 0; i < drops_.size(); ++i) drops_[i] += std::exchange(recent_[i], std::uint8_t{0});
    recent_calls_ = 0;
  }

  std::vector<std::uint64_t> drops_;  // of calls that were settled
  std::vector<std::uint8_t> recent_;  // of the calls since
  unsigned recent_calls_ = 0;
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
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    const auto positions = static_cast<double>(mask_count(sample.problem));
    return MinimumDetectableEffect{
        stats::binomial_min_effect(sample.blocks * sample.calls, alpha / positions, beta, sample.problem.p),
        "drop probability of one position", 1 - beta};
  }
  std::unique_ptr<Observer> observer(const SampleInfo& sample) const override {
    return std::make_unique<PositionCounts>(static_cast<std::size_t>(mask_count(sample.problem)));
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& positions = static_cast<const PositionCounts&>(seen);
    const double p = context.p;
    const std::vector<std::uint64_t> drops = positions.drops();
    const std::size_t m = drops.size();
    const std::vector<std::uint64_t> trials(m, positions.calls);

    Statistic spread;
    spread.id = "S29";
    spread.name = "rates of all positions";
    spread.counts = {
        {"calls", {positions.calls}}, {"drops", integers(drops)}, {"pit_key", {context.pit_key}}};
    spread.null_law = fmt::format("independent Binomial(calls, p) counts: chi-squared({})", m);
    spread.null_parameters = {{"p", p}, {"degrees_of_freedom", static_cast<double>(m)}};
    if (const auto pearson = stats::pearson_cells(drops, positions.calls, p)) {
      const double expected = p * static_cast<double>(positions.calls);
      for (const std::uint64_t count : drops)
        spread.value += (static_cast<double>(count) - expected) * (static_cast<double>(count) - expected) /
                        (expected * (1 - p));
      set_tail(spread, *pearson, context.alpha);
    } else {
      const auto pit = stats::randomised_pit_chi_squared(drops, trials, p, context.pit_key);
      spread.value = pit.statistic;
      set_tail(spread, pit.tail, context.alpha);
    }
    spread.minimum_detectable_effect = MinimumDetectableEffect{
        stats::chi_squared_min_effect(static_cast<double>(m), m * positions.calls, context.alpha, kBeta, p),
        "rms deviation of position rates", kPower};

    const stats::WorstCell worst =
        stats::worst_cell(drops, trials, p, context.focus ? context.focus->cell : std::nullopt);
    const stats::Interval interval =
        stats::clopper_pearson(worst.trials, worst.count, context.alpha / static_cast<double>(worst.cells));
    const double rate = static_cast<double>(worst.count) / static_cast<double>(worst.trials);
    Statistic one;
    one.id = "S29";
    one.name = "worst position";
    one.counts = {{"position", {static_cast<Int128>(worst.index)}},
                  {"n", {worst.trials}},
                  {"x", {worst.count}},
                  {"positions", {static_cast<Int128>(worst.cells)}}};
    one.cell = worst.index;
    one.null_law = "Binomial(n, p), the smallest of all p-values times their number";
    one.null_parameters = {{"p", p}};
    set_tail(one, worst.tail, context.alpha);
    one.effect = Effect{rate, "drop probability of one position", interval.lower, interval.upper};
    one.minimum_detectable_effect = detectable(context.sample, context.alpha, kBeta);

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
