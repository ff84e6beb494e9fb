#pragma once
// A dialect's checklist, row by row and backend by backend, and how each backend rounds.

#include <map>
#include <span>
#include <string>

#include "reports/markdown_sections.hpp"

namespace dropcheck::reports {

/// The check whose message is a backend's fingerprint: how it rounds kept values.
inline constexpr std::string_view kFingerprintCheck = "pytorch_semantics.scale_form";

/// One implementation's results on the rows of a checklist.
struct ConformanceColumn {
  std::string title;
  std::map<int, const ResultRecord*> results;  // by number; a row that was not asked is absent
};
std::vector<ConformanceColumn> conformance_columns(const RunHeader& header, const Digest& digest);

/// The rows that the header lists, by number.
std::map<int, const DialectRow*> rows_of(const RunHeader& header);

/// A line for each row, a column for each implementation, under that heading. No rows where nothing was
/// asked.
TableText conformance_table(const std::string& heading, const std::map<int, const DialectRow*>& rows,
                            std::span<const ConformanceColumn> columns);
/// How many rows were judged and how, and why others were not: a list.
std::string conformance_counts(const std::map<int, const DialectRow*>& rows,
                               std::span<const ConformanceColumn> columns);

/// How each backend rounds; empty where no result tells.
std::string fingerprint_section(const RunHeader& header, const Digest& digest);

/// A page on the rows alone from the results of several runs, which it borrows: those that differ between
/// implementations are listed apart. Refuses records without rows.
Expected<std::string> conformance_page(std::span<const RunRecord> runs, const std::string& command);

}  // namespace dropcheck::reports
