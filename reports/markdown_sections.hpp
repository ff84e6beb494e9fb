#pragma once
// The sections of the Markdown report. Those that may be cut come as pieces, so that the budget can drop the
// last of them.

#include <string>
#include <vector>

#include "reports/digest.hpp"

namespace dropcheck::reports {

/// One check with findings: in full, and in one line for when space is short.
struct FindingText {
  std::string full;
  std::string brief;
};

/// A table under a heading.
struct TableText {
  std::string head;               // heading and head row
  std::vector<std::string> rows;  // each with its newline
};

/// Findings of one backend.
struct BackendFindings {
  std::string heading;
  std::vector<FindingText> checks;
  TableText rejections;  // Holm's list; no rows where there is none
  bool decides = false;  // one of them is a required check
};

std::string title_section(const RunRecord& run, const Digest& digest);
std::string backends_section(const RunHeader& header, const Digest& digest);
std::string suites_section(const RunHeader& header, const Digest& digest);
std::vector<BackendFindings> findings_of(const RunRecord& run, const Digest& digest);
/// What each stage saw; empty where there was but one.
std::string stages_table(const ResultRecord& result);
/// The first hypotheses that Holm's procedure rejects for one backend.
TableText rejections_table(const RejectionList& list);
/// Known failures with their reasons.
std::vector<std::string> expected_failures(const Digest& digest);
/// What the passes would have caught, a table a backend.
std::vector<TableText> power_tables(const RunHeader& header, const Digest& digest);
/// What the passed checks are blind to.
TableText blind_spots(const Digest& digest);
std::string guide_section(const RunHeader& header, const Digest& digest);
/// Every result, a table a backend, worst first.
std::vector<TableText> cell_tables(const RunHeader& header, const Digest& digest);
/// What backends did beside answering their calls.
std::vector<std::string> incident_lines(const std::vector<IncidentList>& incidents);
std::vector<std::string> environment_lines(const Environment& environment);

}  // namespace dropcheck::reports
