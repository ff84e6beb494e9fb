// Every result on one line each, and the machine.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "reports/doubt.hpp"
#include "reports/escape.hpp"
#include "reports/markdown_sections.hpp"
#include "reports/number_text.hpp"

namespace dropcheck::reports {
namespace {

/// Findings first, then what passed, then what was not tried; within each the smallest p-value first.
std::pair<int, double> row_order(const ResultRecord& result) {
  const Statistic* statistic = quoted_statistic(result);
  const double p = statistic == nullptr || std::isnan(statistic->log10_p) ? 0 : statistic->log10_p;
  switch (result.verdict) {
    case Verdict::fail: return {0, p};
    case Verdict::error: return {1, p};
    case Verdict::inconclusive: return {2, p};
    case Verdict::expected_fail: return {3, p};
    case Verdict::pass: return {4, p};
    case Verdict::unsupported: return {5, p};
  }
  return {6, p};
}

/// A verdict, and the stage that it took where that is not the first.
std::string verdict_cell(const ResultRecord& result) {
  std::string text = verdict_text(result);
  if (const unsigned stage = last_stage(result); stage > 1) text += fmt::format(", stage {}", stage);
  return text;
}

std::string row(const ResultRecord& result) {
  const Statistic* statistic = quoted_statistic(result);
  const bool compared = result.comparisons != 0;
  return fmt::format(
      "| {} | {} | {} | {} | {} | {} |\n", markdown_text(result.check, 100),
      markdown_code(result.problem, 400), markdown_text(result.protocol, 60), verdict_cell(result),
      statistic != nullptr ? short_number(statistic->log10_p)
      : compared           ? "exact"
                           : "",
      statistic == nullptr || !statistic->effect ? "" : markdown_text(effect_text(*statistic->effect), 200));
}

}  // namespace

std::vector<TableText> cell_tables(const RunHeader& header, const Digest& digest) {
  std::vector<TableText> tables;
  for (const BackendDigest& backend : digest.backends) {
    std::vector<const ResultRecord*> results;
    for (const CheckDigest& check : backend.checks)
      results.insert(results.end(), check.results.begin(), check.results.end());
    std::stable_sort(results.begin(), results.end(), [](const ResultRecord* a, const ResultRecord* b) {
      return row_order(*a) < row_order(*b);
    });
    TableText table;
    table.head = fmt::format(
        "### {}\n\n| check | case | protocol | verdict | log10 of the p-value | effect |\n"
        "| --- | --- | --- | --- | --- | --- |\n",
        markdown_text(display_name(backend, header), 250));
    for (const ResultRecord* result : results) table.rows.push_back(row(*result));
    if (!table.rows.empty()) tables.push_back(std::move(table));
  }
  return tables;
}

std::vector<std::string> incident_lines(const std::vector<IncidentList>& incidents) {
  std::vector<std::string> lines;
  for (const IncidentList& list : incidents)
    for (const std::string& text : list.texts)
      lines.push_back(fmt::format("- {}: {}\n", markdown_code(list.backend, 200), markdown_text(text, 600)));
  return lines;
}

std::vector<std::string> environment_lines(const Environment& environment) {
  std::vector<std::string> lines;
  for (const auto& [name, value] : environment)
    lines.push_back(fmt::format("- {}: {}\n", markdown_text(name, 100), markdown_text(value, 400)));
  return lines;
}

}  // namespace dropcheck::reports
