#include "reports/detectable.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "reports/doubt.hpp"
#include "reports/number_text.hpp"

namespace dropcheck::reports {
namespace {

void raise(std::optional<double>& largest, const std::optional<double>& value) {
  if (value && std::isfinite(*value)) largest = largest ? std::max(*largest, *value) : *value;
}

/// Grows the range of the effect's unit. `required` is in that unit, or absent.
void add(std::vector<DetectableRange>& ranges, const MinimumDetectableEffect& effect,
         const std::optional<double>& required, std::uint64_t entries) {
  if (std::isnan(effect.value)) return;
  auto range =
      std::find_if(ranges.begin(), ranges.end(), [&](const auto& r) { return r.unit == effect.unit; });
  if (range == ranges.end()) {
    ranges.push_back({effect.unit, entries, effect.value, effect.value, effect.power, {}, {}});
    range = ranges.end() - 1;
  }
  if (entries > range->mask_entries) {
    range->mask_entries = entries;
    range->full_size = effect.value;
    range->required_full_size.reset();
  }
  if (entries == range->mask_entries) {
    range->full_size = std::max(range->full_size, effect.value);
    raise(range->required_full_size, required);
  }
  range->everywhere = std::max(range->everywhere, effect.value);
  range->power = std::min(range->power, effect.power);
  raise(range->required_everywhere, required);
}

void add(std::vector<DetectableRange>& ranges, const ResultRecord& result) {
  // Later stages are larger but rare; a sample is as large as its first.
  const std::uint64_t entries = result.stages.empty() ? 0 : result.stages.front().mask_entries;
  if (result.detectable) return add(ranges, *result.detectable, result.required_effect, entries);
  for (const Statistic& statistic : result.statistics)
    if (statistic.minimum_detectable_effect)
      add(ranges, *statistic.minimum_detectable_effect, std::nullopt, entries);
}

}  // namespace

std::vector<DetectableRange> detectable_effects(const std::vector<const ResultRecord*>& results) {
  std::vector<DetectableRange> ranges;
  for (const ResultRecord* result : results)
    if (result->verdict == Verdict::pass) add(ranges, *result);
  return ranges;
}

std::vector<DetectableRange> underpowered_effects(const std::vector<const ResultRecord*>& results) {
  std::vector<DetectableRange> ranges;
  for (const ResultRecord* result : results)
    if (is_underpowered(*result)) add(ranges, *result);
  return ranges;
}

std::string full_size_text(const DetectableRange& range) {
  return fmt::format("{} {} with probability {}", short_number(range.full_size), range.unit,
                     power_text(range.power));
}

}  // namespace dropcheck::reports
