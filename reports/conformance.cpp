#include "reports/conformance.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <list>
#include <set>

#include "reports/escape.hpp"
#include "reports/number_text.hpp"

namespace dropcheck::reports {
namespace {

const DialectRow* row_of(const CheckDigest& check) {
  return check.info != nullptr && check.info->row ? &*check.info->row : nullptr;
}

std::string_view cell_of(const ConformanceColumn& column, int number) {
  const auto found = column.results.find(number);
  if (found == column.results.end()) return "not run";
  switch (found->second->verdict) {
    case Verdict::pass: return "pass";
    case Verdict::fail: return "**FAIL**";
    case Verdict::error: return "**ERROR**";
    case Verdict::inconclusive: return "inconclusive";
    case Verdict::expected_fail: return "expected failure";
    case Verdict::unsupported: return "n.a.";
  }
  return "not run";
}

/// "1 to 4, 7, 9 to 10".
std::string numbers_text(const std::vector<int>& numbers) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    parts.push_back(last == i ? fmt::format("{}", numbers[i])
                              : fmt::format("{} to {}", numbers[i], numbers[last]));
    i = last + 1;
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

const std::string& reason_of(const ResultRecord& result) {
  return result.missing.empty() ? result.message : result.missing;
}

/// A line for each backend whose fingerprint was taken.
std::string fingerprint_lines(const RunHeader& header, const Digest& digest) {
  std::string lines;
  for (const BackendDigest& backend : digest.backends)
    for (const CheckDigest& check : backend.checks)
      if (check.id == kFingerprintCheck)
        for (const ResultRecord* result : check.results)
          if (result->verdict != Verdict::unsupported)
            lines.append(fmt::format("- {}: {}\n", markdown_text(display_name(backend, header), 100),
                                     markdown_text(result->message)));
  return lines;
}

/// Empty without lines.
std::string fingerprints_text(const std::string& lines) {
  if (lines.empty()) return {};
  return "## How kept values are rounded\n\nq is the keep probability, fl rounds to the dtype, fl32 to f32. "
         "The form tells implementations apart.\n\n" +
         lines + "\n";
}

}  // namespace

std::map<int, const DialectRow*> rows_of(const RunHeader& header) {
  std::map<int, const DialectRow*> rows;
  for (const CheckRecord& check : header.checks)
    if (check.row) rows.emplace(check.row->number, &*check.row);
  return rows;
}

std::vector<ConformanceColumn> conformance_columns(const RunHeader& header, const Digest& digest) {
  std::vector<ConformanceColumn> columns;
  for (const BackendDigest& backend : digest.backends) {
    ConformanceColumn column{display_name(backend, header), {}};
    for (const CheckDigest& check : backend.checks)
      if (const DialectRow* row = row_of(check); row != nullptr && !check.results.empty())
        column.results[row->number] = check.results.front();  // the worst
    if (!column.results.empty()) columns.push_back(std::move(column));
  }
  return columns;
}

TableText conformance_table(const std::string& heading, const std::map<int, const DialectRow*>& rows,
                            std::span<const ConformanceColumn> columns) {
  TableText table;
  if (columns.empty()) return table;
  table.head = heading + "| row | interface | asked | expected | how exact | known from | holds for |";
  for (const ConformanceColumn& column : columns)
    table.head.append(fmt::format(" {} |", markdown_text(column.title, 100)));
  table.head.append("\n|");
  for (std::size_t i = 0; i < 7 + columns.size(); ++i) table.head.append(" --- |");
  table.head.append("\n");
  for (const auto& [number, row] : rows) {
    std::string line = fmt::format("| {} | {} | {} | {} | {} | {} | {} |", number,
                                   markdown_text(row->layers, 100), markdown_text(row->condition, 300),
                                   markdown_text(row->expectation, 500), markdown_text(row->exactness, 60),
                                   markdown_text(row->evidence, 100), markdown_text(row->versions, 60));
    for (const ConformanceColumn& column : columns)
      line.append(fmt::format(" {} |", cell_of(column, number)));
    table.rows.push_back(line + "\n");
  }
  return table;
}

std::string conformance_counts(const std::map<int, const DialectRow*>& rows,
                               std::span<const ConformanceColumn> columns) {
  std::string text;
  for (const ConformanceColumn& column : columns) {
    std::size_t judged = 0, passed = 0;
    std::map<std::string, std::vector<int>> reasons;
    for (const auto& [number, result] : column.results) {
      if (result->verdict == Verdict::unsupported) {
        reasons[reason_of(*result)].push_back(number);
        continue;
      }
      ++judged;
      passed += result->verdict == Verdict::pass ? 1u : 0u;
    }
    text.append(fmt::format("- {}: {} of {} rows judged, {} pass\n", markdown_text(column.title, 100), judged,
                            rows.size(), passed));
    for (const auto& [reason, numbers] : reasons)
      text.append(fmt::format("  - not judged, {}: {}\n", markdown_text(reason, 200), numbers_text(numbers)));
  }
  return text;
}

std::string fingerprint_section(const RunHeader& header, const Digest& digest) {
  return fingerprints_text(fingerprint_lines(header, digest));
}

Expected<std::string> conformance_page(std::span<const RunRecord> runs, const std::string& command) {
  std::list<Digest> digests;  // the columns borrow from them
  std::vector<ConformanceColumn> columns;
  std::map<int, const DialectRow*> rows;
  std::string fingerprints;
  for (const RunRecord& run : runs) {
    const Digest& digest = digests.emplace_back(run);
    rows.merge(rows_of(run.header));
    for (ConformanceColumn& column : conformance_columns(run.header, digest))
      columns.push_back(std::move(column));
    fingerprints.append(fingerprint_lines(run.header, digest));
  }
  if (rows.empty() || columns.empty())
    return Error{ErrorCode::invalid_argument,
                 "the results hold no rows of a checklist: run the suite pytorch_semantics first"};
  std::set<int> judged;
  for (const ConformanceColumn& column : columns)
    for (const auto& [number, result] : column.results)
      if (result->verdict != Verdict::unsupported) judged.insert(number);

  std::string text = "# Conformance to PyTorch, row by row\n\n";
  text.append(fmt::format("Written by\n\n```sh\n{}\n```\n\n", command));
  text.append(conformance_counts(rows, columns));
  if (columns.size() > 1)
    text.append(fmt::format("- over all of them: {} of {} rows judged\n", judged.size(), rows.size()));
  text.append("\n\"n.a.\" is a row that cannot be asked of that implementation; the reasons stand above. ");
  text.append(
      "\"Known from\" says how the expectation is known: run on a release, read in a source, or "
      "derived.\n\n");

  std::string differences;
  for (const auto& [number, row] : rows) {
    std::set<std::string_view> cells;
    for (const ConformanceColumn& column : columns) cells.insert(cell_of(column, number));
    if (cells.size() < 2) continue;
    differences.append(fmt::format("- row {} ({}, {}):", number, markdown_text(row->layers, 100),
                                   markdown_text(row->condition, 300)));
    for (const ConformanceColumn& column : columns) {
      const auto found = column.results.find(number);
      const std::string why = found == column.results.end() || found->second->verdict == Verdict::pass
                                  ? std::string()
                                  : fmt::format(" ({})", markdown_text(reason_of(*found->second), 400));
      differences.append(
          fmt::format(" {} {}{};", markdown_text(column.title, 100), cell_of(column, number), why));
    }
    differences.back() = '\n';
  }
  if (columns.size() > 1)
    text.append("## Where they differ\n\n")
        .append(differences.empty() ? "Nowhere.\n" : differences)
        .append("\n");
  text.append(fingerprints_text(fingerprints));
  const TableText table = conformance_table("## The rows\n\n", rows, columns);
  text.append(table.head);
  for (const std::string& row : table.rows) text.append(row);
  return text;
}

}  // namespace dropcheck::reports
