// channel_correlation.serial (S15): counts of all patterns of 2 to 8 successive mask entries.

#include "harness/stats/serial.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/chunk_observer.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {
namespace {

using stats::SerialCounts;
constexpr const char* kUnit = "root of summed squared correlations inside a window";

/// Longest pattern whose rarest form is expected 4000 times; below 2 there is nothing to test.
unsigned longest_pattern(const SampleInfo& sample) {
  unsigned length = stats::kLongestPattern;
  while (length >= 2 &&
         !stats::serial_is_valid(stats::planned_windows(sample.chunks()), length, sample.problem.p))
    --length;
  return length;
}

/// "dkkd": entry by entry, d dropped and k kept.
std::string letters(std::uint64_t pattern, unsigned length) {
  std::string text;
  for (unsigned i = 0; i < length; ++i) text += (pattern >> i) & 1 ? 'd' : 'k';
  return text;
}

MinimumDetectableEffect effect_at(unsigned length, const SampleInfo& sample, double alpha, double beta) {
  return {stats::serial_min_effect(stats::planned_windows(sample.chunks()), length, alpha, beta), kUnit,
          1 - beta};
}

class Serial final : public Check {
 public:
  Serial() : Check(catalogue_row("channel_correlation.serial")) {}

  Applicability applies(const SampleInfo& sample) const override {
    if (!needs_arrangement(sample).applies) return needs_arrangement(sample);
    if (longest_pattern(sample) < 2)
      return Applicability::rule_fails("the rarest pattern of 2 entries is expected fewer than 4000 times");
    return Applicability::yes();
  }
  unsigned hypotheses(const SampleInfo& sample) const override { return longest_pattern(sample) - 1; }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    return effect_at(longest_pattern(sample), sample, alpha, beta);
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<ChunkObserver<SerialCounts>>(SerialCounts{});
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& counts = counts_of<SerialCounts>(seen);
    const double p = context.p;
    std::vector<Statistic> statistics;
    std::string worst;  // the pattern that stands out, of the longest length that rejects
    for (unsigned length = 2; length <= longest_pattern(context.sample); ++length) {
      if (!(p > 0 && p < 1) || !stats::serial_is_valid(counts.windows, length, p)) continue;
      const stats::SerialTest test = stats::serial_test(counts, length, p);
      const double n = static_cast<double>(counts.windows);
      Statistic s;
      s.id = "S15";
      s.name = fmt::format("patterns of {} entries", length);
      s.counts = {{"windows", {counts.windows}}, {"patterns", integers(counts.of_length(length))}};
      s.null_law = fmt::format("Q({}) - Q({}), Pearson's sums over all patterns: chi-squared({:.0f})", length,
                               length - 1, test.degrees_of_freedom);
      s.null_parameters = {{"p", p}, {"degrees_of_freedom", test.degrees_of_freedom}};
      s.value = test.statistic;
      set_tail(s, test.tail, context.alpha);
      s.effect = Effect{std::sqrt(std::max(test.statistic - test.degrees_of_freedom, 0.0) / n), kUnit,
                        std::nullopt, std::nullopt};
      s.minimum_detectable_effect = effect_at(length, context.sample, context.alpha, kBeta);
      if (s.rejects()) {
        const double drops = static_cast<double>(std::popcount(test.worst_pattern));
        worst = fmt::format(
            "the pattern {} (d dropped, k kept) comes {} times in {} windows where {:.6g} are expected",
            letters(test.worst_pattern, length), counts.of_length(length)[test.worst_pattern], counts.windows,
            n * std::pow(p, drops) * std::pow(1 - p, static_cast<double>(length) - drops));
      }
      statistics.push_back(std::move(s));
    }
    if (statistics.empty())
      return invalid("the rarest pattern of 2 entries is expected fewer than 4000 times");
    return judge_statistics(std::move(statistics), counts.windows, [&](const Statistic& s) {
      return fmt::format(
          "{} do not come as often as independent drops make them: {}; chi-squared = {:.6g} for "
          "{:.0f} degrees of freedom",
          s.name, worst, s.value, s.null_parameters[1].second);
    });
  }
};

}  // namespace

void add_serial(Registry& registry) { registry.add_check(std::make_unique<Serial>()); }

}  // namespace dropcheck::suites
