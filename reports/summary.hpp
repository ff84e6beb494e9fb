#pragma once
// What the console shows at the end of a run.

#include <string>

#include "harness/core/run_record.hpp"

namespace dropcheck::reports {

/// At most about 25 lines when all is well; the first ten findings with their repro lines otherwise. The last
/// line is the verdict.
std::string console_summary(const RunRecord& run, bool color);

}  // namespace dropcheck::reports
