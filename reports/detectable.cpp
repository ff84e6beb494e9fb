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
    for (const Statistic& statistic : result->statistics) {
      const auto& effect = statistic.minimum_detectable_effect;
      if (!effect || !std::isfinite(effect->value)) continue;
      const auto known = std::find_if(ranges.begin(), ranges.end(),
                                      [&](const auto& range) { return range.unit == effect->unit; });
      if (known == ranges.end()) {
        ranges.push_back({effect->unit, effect->value, effect->value, effect->power});
        continue;
      }
      known->smallest = std::min(known->smallest, effect->value);
      known->largest = std::max(known->largest, effect->value);
      known->power = std::min(known->power, effect->power);
    }
  }
  return ranges;
}

std::string smallest_text(const DetectableRange& range) {
  return fmt::format("{} {} with probability {}", short_number(range.smallest), range.unit,
                     power_text(range.power));
}

}  // namespace dropcheck::reports
