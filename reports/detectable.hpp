#pragma once
// What the passed results would have caught: the span of their minimum detectable effects, unit by unit.

#include <string>
#include <vector>

#include "harness/core/run_record.hpp"

namespace dropcheck::reports {

struct DetectableRange {
  std::string unit;
  double smallest = 0;
  double largest = 0;
  double power = 0;  // the lowest that is stated
};

/// Units in the order they come up. Only passed results count.
std::vector<DetectableRange> detectable_effects(const std::vector<const ResultRecord*>& results);
/// "9.95e-05 drop probability with probability 1 - 1e-06".
std::string smallest_text(const DetectableRange& range);

}  // namespace dropcheck::reports
