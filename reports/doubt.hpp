#pragma once
// Why a result allows no conclusion, in words short enough for a console and a table.

#include <string>
#include <string_view>
#include <vector>

#include "harness/core/run_record.hpp"

namespace dropcheck::reports {

/// Nothing was found, but what the test would have caught is larger than what the profile requires.
bool is_underpowered(const ResultRecord& result);
/// The first sample looked suspicious, and the run had failed already, so that no larger one was drawn.
bool is_unpursued(const ResultRecord& result);
/// "underpowered", "suspicious, not pursued"; empty for all else.
std::string_view doubt_of(const ResultRecord& result);
/// "inconclusive (underpowered)": a verdict with its doubt, where it has one.
std::string verdict_text(const ResultRecord& result);
/// "2 underpowered, 1 suspicious and not pursued"; empty where there are none.
std::string doubts_text(const std::vector<const ResultRecord*>& results);

}  // namespace dropcheck::reports
