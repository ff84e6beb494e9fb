#pragma once
// The section of docs/calibration.md on whole runs, which lives between two marks so that each of the two
// commands that write the page replaces its own part.

#include <string>
#include <string_view>
#include <vector>

#include "tools/whole_calibration.hpp"

namespace dropcheck::tools {

struct BackendCounts {
  std::string backend, version;
  RunCounts counts;
};

/// The section with its marks. `command` is how it was made.
std::string whole_section(const WholePlan& whole, const std::vector<BackendCounts>& backends,
                          const std::string& command);

/// The section of a page, with its marks; empty where it has none. Error (invalid_argument): one mark without
/// the other.
Expected<std::string> section_in(std::string_view page);
/// The page with this section in place of its own, or at its end. Errors as section_in.
Expected<std::string> with_section(std::string_view page, std::string_view section);

}  // namespace dropcheck::tools
