#pragma once
// What results would have caught, unit by unit: any effect of a size in the largest samples, and in every
// case. All stages of a test count; statistics speak for themselves only in files that know no stages.

#include <optional>
#include <string>
#include <vector>

#include "harness/core/run_record.hpp"

namespace dropcheck::reports {

struct DetectableRange {
  std::string unit;
  std::uint64_t mask_entries = 0;  // of the largest samples, in their first stage
  double full_size = 0;            // the largest minimum detectable effect among the largest samples
  double everywhere = 0;           // the largest of all
  double power = 0;                // the lowest that is stated
  // What the profile wants to be detectable: the largest among the largest samples, and of all.
  std::optional<double> required_full_size, required_everywhere;
};

/// Of passed results. Units in the order they come up.
std::vector<DetectableRange> detectable_effects(const std::vector<const ResultRecord*>& results);
/// Of results that are inconclusive because they would have caught too little.
std::vector<DetectableRange> underpowered_effects(const std::vector<const ResultRecord*>& results);
/// "9.95e-05 drop probability with probability 1 - 1e-06", for the largest samples; full_size is finite.
std::string full_size_text(const DetectableRange& range);

}  // namespace dropcheck::reports
