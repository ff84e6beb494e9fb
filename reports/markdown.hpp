#pragma once
// The report for people: a reviewer who knows neither the project nor the run must be able to read it from
// top to bottom.

#include <cstddef>
#include <string>

#include "harness/core/run_record.hpp"

namespace dropcheck::reports {

struct MarkdownOptions {
  std::size_t byte_budget = 60 * 1024;  // fits a comment on a code host
};

/// The same bytes for the same record. What does not fit the budget is left out, and the report says so.
std::string markdown_report(const RunRecord& run, const MarkdownOptions& options = {});

}  // namespace dropcheck::reports
