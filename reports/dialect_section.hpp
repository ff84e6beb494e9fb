#pragma once
// What a dialect let pass: a reader has to see what was excused before reading that something passed.

#include <string>

#include "harness/core/run_record.hpp"

namespace dropcheck::reports {

/// A section of the Markdown report; empty under PyTorch's own dialect, and where the results do not say.
std::string dialect_section(const RunHeader& header);

/// One line for the console, with its newline; empty where the section is.
std::string dialect_line(const RunHeader& header);

}  // namespace dropcheck::reports
