// channel_correlation.spectrum (S19): power of the mask at every frequency, averaged over blocks of 4096
// entries, and rates of lanes by any product of bits of their number (position mod 1024).

#include <algorithm>
#include <cmath>

#include "harness/stats/periodogram.hpp"
#include "harness/stats/walsh_lanes.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/judging.hpp"
#include "suites/mask_observer.hpp"

namespace dropcheck::suites {
namespace {

constexpr const char* kPowerUnit = "excess power at one frequency";
constexpr const char* kRateUnit = "amplitude of lane rates, as drop probability";

class Spectra final : public MergingObserver<Spectra> {
 public:
  explicit Spectra(std::uint64_t blocks_of_chunk) : power(blocks_of_chunk) {}
  void observe_chunk(const Chunk& chunk) override {
    if (chunk.order != Order::logical) return;
    power.add(chunk);
    lanes.add(chunk);
  }
  void add(const Spectra& later) {
    power.merge(later.power);
    lanes.merge(later.lanes);
  }
  stats::PeriodogramCounts power;
  stats::WalshCounts lanes;
};

bool tests_power(const SampleInfo& sample) {
  const double p = sample.problem.p;
  return p > 0 && p < 1 && stats::periodogram_is_valid(stats::planned_periodogram_blocks(sample.chunks()), p);
}

bool tests_lanes(const SampleInfo& sample) { return stats::planned_walsh_rows(sample.chunks()) > 0; }

MinimumDetectableEffect power_effect(const SampleInfo& sample, double alpha, double beta) {
  return {stats::periodogram_min_effect(stats::planned_periodogram_blocks(sample.chunks()), alpha, beta,
                                        sample.problem.p),
          kPowerUnit, 1 - beta};
}

MinimumDetectableEffect lane_effect(const SampleInfo& sample, double alpha, double beta) {
  return {stats::walsh_min_effect(stats::planned_walsh_rows(sample.chunks()), alpha, beta, sample.problem.p),
          kRateUnit, 1 - beta};
}

/// "0, 3 and 9" for the bits of a pattern.
std::string bits_of(std::uint64_t pattern) {
  std::vector<std::string> bits;
  for (unsigned b = 0; pattern >> b != 0; ++b)
    if ((pattern >> b) & 1) bits.push_back(fmt::format("{}", b));
  std::string text = bits.front();
  for (std::size_t i = 1; i < bits.size(); ++i) {
    text += i + 1 == bits.size() ? " and " : ", ";
    text += bits[i];
  }
  return (bits.size() == 1 ? std::string("bit ") : std::string("bits ")).append(text);
}

class Spectrum final : public Check {
 public:
  Spectrum() : Check(catalogue_row("channel_correlation.spectrum")) {}

  Applicability applies(const SampleInfo& sample) const override {
    if (!needs_arrangement(sample).applies) return needs_arrangement(sample);
    if (hypotheses(sample) == 0)
      return Applicability::rule_fails(
          "fewer than 1024 mask entries in a chunk, and fewer than 256 blocks of 4096");
    return Applicability::yes();
  }
  unsigned hypotheses(const SampleInfo& sample) const override {
    return (tests_power(sample) ? 1u : 0u) + (tests_lanes(sample) ? 1u : 0u);
  }
  /// Of the power where it is tested; the lanes have another unit.
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    return tests_power(sample) ? power_effect(sample, alpha, beta) : lane_effect(sample, alpha, beta);
  }
  std::unique_ptr<Observer> observer(const SampleInfo& sample) const override {
    return std::make_unique<Spectra>(stats::periodogram_blocks(sample.chunks()));
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& spectra = static_cast<const Spectra&>(seen);
    std::vector<Statistic> statistics;
    const double p = context.p;
    // The numbers are those of the plan, but a rate that was estimated may lie outside the validity.
    if (tests_power(context.sample) && p > 0 && p < 1 &&
        stats::periodogram_is_valid(spectra.power.blocks(), p))
      statistics.push_back(power_statistic(spectra.power, context));
    if (tests_lanes(context.sample)) statistics.push_back(lane_statistic(spectra.lanes, context));
    if (statistics.empty()) {
      Judgement judgement;
      judgement.verdict = Verdict::inconclusive;
      judgement.message = "invalid: drops or keeps are too rare for the law of a block's power";
      return judgement;
    }
    const std::uint64_t entries =
        std::max(spectra.power.blocks() * stats::kPeriodogramBlock, spectra.lanes.rows * stats::kWalshLanes);
    return judge_statistics(std::move(statistics), entries, [&](const Statistic& s) {
      const std::uint64_t cell = *s.cell;
      if (s.effect->unit == kPowerUnit)
        return fmt::format(
            "the mask has a period of {:.6g} entries: {:.4g} times the power expected at {} cycles in "
            "{} entries",
            static_cast<double>(stats::kPeriodogramBlock) / static_cast<double>(cell), s.value, cell,
            stats::kPeriodogramBlock);
      return fmt::format(
          "the drop rate depends on {} of the position: lanes (position mod {}) with an odd number of "
          "these bits set are dropped {} times, the others {} times, out of {} each",
          bits_of(cell), stats::kWalshLanes, to_string(s.counts[1].second[0]),
          to_string(s.counts[2].second[0]), to_string(s.counts[0].second[0]));
    });
  }

 private:
  static std::optional<std::uint64_t> chosen_cell(const JudgeContext& context, const std::string& name) {
    return context.focus && context.focus->hypothesis == name ? context.focus->cell : std::nullopt;
  }

  static Statistic power_statistic(const stats::PeriodogramCounts& power, const JudgeContext& context) {
    Statistic s;
    s.id = "S19";
    s.name = "strongest frequency";
    const auto chosen = chosen_cell(context, s.name);
    const stats::PeriodogramTest test = stats::periodogram_test(power, context.p, chosen);
    s.cell = test.frequency;
    s.counts = {{"blocks", {power.blocks()}},
                {"frequency", {test.frequency}},
                {"autocovariances", integers(power.autocovariances())},
                {"cells", {chosen ? 1 : static_cast<Int128>(stats::kFrequencies)}}};
    s.null_law =
        "power over 4096 pq: gamma with mean blocks and variance blocks (1 + ((1-3pq)/pq - 3)/4096), one "
        "more "
        "blocks at frequency 2048, doubled, times cells";
    s.null_parameters = {{"p", context.p}};
    s.value = test.power;
    set_tail(s, test.tail, context.alpha);
    s.effect = Effect{test.power - 1, kPowerUnit, std::nullopt, std::nullopt};
    s.minimum_detectable_effect = power_effect(context.sample, context.alpha, kBeta);
    return s;
  }

  static Statistic lane_statistic(const stats::WalshCounts& lanes, const JudgeContext& context) {
    Statistic s;
    s.id = "S19";
    s.name = "worst pattern of lanes";
    const auto chosen = chosen_cell(context, s.name);
    const stats::WalshTest test = stats::walsh_test(lanes, chosen);
    s.cell = test.pattern;
    s.counts = {{"entries_of_half", {lanes.rows * (stats::kWalshLanes / 2)}},
                {"odd", {test.odd}},
                {"even", {test.even}},
                {"pattern", {test.pattern}},
                {"cells", {chosen ? 1 : static_cast<Int128>(stats::kWalshLanes - 1)}}};
    s.null_law = "hypergeometric: drops of one half of the lanes given those of all, doubled, times cells";
    s.value = test.amplitude;
    set_tail(s, test.tail, context.alpha);
    s.effect = Effect{test.amplitude, kRateUnit, std::nullopt, std::nullopt};
    s.minimum_detectable_effect = lane_effect(context.sample, context.alpha, kBeta);
    return s;
  }
};

}  // namespace

void add_spectrum(Registry& registry) { registry.add_check(std::make_unique<Spectrum>()); }

}  // namespace dropcheck::suites
