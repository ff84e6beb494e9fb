#pragma once
// How small an effect each check has to see, by profile: the one table that the sizes of profiles answer to.

#include <array>
#include <string_view>
#include <vector>

#include "harness/core/check.hpp"

namespace dropcheck::suites {

/// The built-in profiles, from suites/inputs.
inline constexpr std::array kProfiles = {"smoke", "quick", "standard", "deep", "frameworks"};
/// One more, that requires no effect: it is for measuring how often correct backends alarm.
inline constexpr const char* kCalibrationProfile = "calibration";

/// The rows of a check, and how its effects grow with p; none for exact checks.
struct Requirement {
  EffectScale scale = EffectScale::none;
  std::vector<RequiredEffect> effects;
};
Requirement requirement_of(std::string_view check_id);

}  // namespace dropcheck::suites
