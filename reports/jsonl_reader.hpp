#pragma once
// Reads results.jsonl back. The file is untrusted: whatever it holds, the answer is a record or one clear
// sentence.

#include <string>
#include <string_view>

#include "harness/core/expected.hpp"
#include "harness/core/run_record.hpp"

namespace dropcheck::reports {

/// Reads a whole results file. Refuses another schema, an unknown major version, lines that are no records, a
/// file without footer and text after it; unknown keys, and unknown records of a newer minor version, are
/// ignored. Never throws.
Expected<RunRecord> read_results(const std::string& path);
Expected<RunRecord> parse_results(std::string_view text);

}  // namespace dropcheck::reports
