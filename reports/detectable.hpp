#pragma once
// What the passed results would have caught, unit by unit: any effect of a size in the largest samples, and
// in every case.

#include <string>
#include <vector>

#include "harness/core/run_record.hpp"

namespace dropcheck::reports {

struct DetectableRange {
  std::string unit;
  std::uint64_t mask_entries = 0;  // of the largest samples
  double full_size = 0;            // the largest minimum detectable effect among the largest samples
  double everywhere = 0;           // the largest of all
  double power = 0;                // the lowest that is stated
};

/// Units in the order they come up. Only passed results count.
std::vector<DetectableRange> detectable_effects(const std::vector<const ResultRecord*>& results);
/// "9.95e-05 drop probability with probability 1 - 1e-06", for the largest samples.
std::string full_size_text(const DetectableRange& range);

}  // namespace dropcheck::reports
