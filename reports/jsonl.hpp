#pragma once
// results.jsonl, the one source of every report: a JSON object a line, keys in a fixed order, so that equal
// runs give equal bytes.

#include <string>

#include "harness/core/run_record.hpp"

namespace dropcheck::reports {

// Lines come without their newline. Text that is not UTF-8 gets U+FFFD in place of the bad bytes.
std::string header_line(const RunHeader& header);
std::string result_line(const ResultRecord& result);
std::string rejections_line(const RejectionList& list);
std::string incidents_line(const IncidentList& list);
std::string environment_line(const Environment& environment);
std::string footer_line(const Footer& footer);

}  // namespace dropcheck::reports
