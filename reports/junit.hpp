#pragma once
// The report for CI systems, which know suites and test cases only.

#include <string>

#include "harness/core/run_record.hpp"

namespace dropcheck::reports {

/// A suite a backend, a test case a result. Findings of recommended checks are shown as skipped, because they
/// never decide; inconclusive ones are errors.
std::string junit_report(const RunRecord& run);

}  // namespace dropcheck::reports
