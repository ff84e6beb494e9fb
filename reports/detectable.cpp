#include "reports/detectable.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "reports/number_text.hpp"

namespace dropcheck::reports {

std::vector<DetectableRange> detectable_effects(const std::vector<const ResultRecord*>& results) {
  std::vector<DetectableRange> ranges;
  for (const ResultRecord* result : results) {
    if (result->verdict != Verdict::pass) continue;
    std::uint64_t entries = 0;
    for (const StageRecord& stage : result->stages) entries += stage.mask_entries;
    for (const Statistic& statistic : result->statistics) {
      const auto& effect = statistic.minimum_detectable_effect;
      if (!effect || !std::isfinite(effect->value)) continue;
      const auto known = std::find_if(ranges.begin(), ranges.end(),
                                      [&](const auto& range) { return range.unit == effect->unit; });
      if (known == ranges.end()) {
        ranges.push_back({effect->unit, entries, effect->value, effect->value, effect->power});
        continue;
      }
      if (entries > known->mask_entries) {
        known->mask_entries = entries;
        known->full_size = effect->value;
      } else if (entries == known->mask_entries) {
        known->full_size = std::max(known->full_size, effect->value);
      }
      known->everywhere = std::max(known->everywhere, effect->value);
      known->power = std::min(known->power, effect->power);
    }
  }
  return ranges;
}

std::string full_size_text(const DetectableRange& range) {
  return fmt::format("{} {} with probability {}", short_number(range.full_size), range.unit,
                     power_text(range.power));
}

}  // namespace dropcheck::reports
