// What a pass is worth, and how to read the numbers.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "reports/detectable.hpp"
#include "reports/doubt.hpp"
#include "reports/escape.hpp"
#include "reports/markdown_sections.hpp"
#include "reports/number_text.hpp"

namespace dropcheck::reports {
namespace {

bool is_exact(const CheckDigest& check) {
  for (const ResultRecord* result : check.results)
    if (!result->statistics.empty()) return false;
  return true;
}

/// Rows of a checklist have a table of their own.
bool is_row(const CheckDigest& check) { return check.info != nullptr && check.info->row; }

/// "0.001 drop probability in the largest samples, 0.02 in every case". In samples that are too small for an
/// effect of any size there is none.
std::string range_text(double full_size, double everywhere, const std::string& unit) {
  const auto sized = [](double value) { return std::isfinite(value) ? short_number(value) : "none"; };
  const std::string with_unit = unit.empty() ? unit : fmt::format(" {}", unit);
  if (full_size == everywhere) return sized(everywhere) + with_unit;
  return fmt::format("{}{} in the largest samples, {} in {}", sized(full_size), with_unit, sized(everywhere),
                     std::isfinite(everywhere) ? "every case" : "the smallest");
}

/// What is detectable, what has to be, and with which probability: three cells of a row.
std::string effect_cells(const std::vector<DetectableRange>& ranges) {
  if (ranges.empty()) return "not stated | |";
  std::vector<std::string> effects;
  std::vector<std::string> required;
  double lowest = 1;
  for (const DetectableRange& range : ranges) {
    const std::string unit = markdown_text(range.unit, 100);
    effects.push_back(range_text(range.full_size, range.everywhere, unit));
    if (range.required_everywhere)
      required.push_back(range_text(range.required_full_size.value_or(*range.required_everywhere),
                                    *range.required_everywhere, ranges.size() == 1 ? "" : unit));
    lowest = std::min(lowest, range.power);
  }
  return fmt::format("{} | {} | {}", fmt::join(effects, "; "), fmt::join(required, "; "), power_text(lowest));
}

std::string power_row(const CheckDigest& check) {
  return fmt::format(
      "| {} | {} of {} | {} |\n", markdown_text(check.id, 100), check.tally.passed(), check.tally.decided(),
      is_exact(check) ? "exact: any violation | |" : effect_cells(detectable_effects(check.results)));
}

/// The cases of a check that are worth less than the profile requires; empty where there are none.
std::string underpowered_row(const CheckDigest& check) {
  const auto weak = std::count_if(check.results.begin(), check.results.end(),
                                  [](const ResultRecord* result) { return is_underpowered(*result); });
  if (weak == 0) return {};
  return fmt::format("| {} | **underpowered: {} of {}** | {} |\n", markdown_text(check.id, 100), weak,
                     check.tally.decided(), effect_cells(underpowered_effects(check.results)));
}

/// A shell word.
std::string quoted(const std::string& text) {
  const bool plain =
      text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.,:/=+@%") ==
      std::string::npos;
  if (plain && !text.empty()) return text;
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string{c};
  return word + "'";
}

std::string rerun_command(const RunHeader& header) {
  std::string command = "dropcheck run";
  for (const BackendRecord& backend : header.backends) command += " --backend=" + quoted(backend.spec);
  return fmt::format("{} --profile={} --dialect={} --seed={:#x} --alpha={}", command, quoted(header.profile),
                     quoted(header.dialect), header.master_seed, header.alpha);
}

}  // namespace

std::vector<TableText> power_tables(const RunHeader& header, const Digest& digest) {
  std::vector<TableText> tables;
  for (const BackendDigest& backend : digest.backends) {
    TableText table;
    table.head = fmt::format(
        "### {}\n\n| check | cases passed | would have been caught | has to be caught | with probability |\n"
        "| --- | --- | --- | --- | --- |\n",
        markdown_text(display_name(backend, header), 250));
    for (const CheckDigest& check : backend.checks) {
      if (check.tally.passed() != 0 && !is_row(check)) table.rows.push_back(power_row(check));
      if (std::string row = underpowered_row(check); !row.empty()) table.rows.push_back(std::move(row));
    }
    if (!table.rows.empty()) tables.push_back(std::move(table));
  }
  return tables;
}

TableText blind_spots(const Digest& digest) {
  std::map<std::string, const CheckRecord*> passed;
  for (const BackendDigest& backend : digest.backends)
    for (const CheckDigest& check : backend.checks)
      if (check.tally.passed() != 0 && check.info != nullptr && !check.info->cannot_see.empty() &&
          !is_row(check))
        passed.emplace(check.id, check.info);
  TableText table;
  table.head = "### What these checks cannot see\n\n| check | blind to |\n| --- | --- |\n";
  for (const auto& [id, info] : passed)
    table.rows.push_back(
        fmt::format("| {} | {} |\n", markdown_text(id, 100), markdown_text(info->cannot_see, 400)));
  return table;
}

std::string guide_section(const RunHeader& header, const Digest& digest) {
  std::string text = "## How to read this\n\n";
  text += fmt::format(
      "- A correct backend fails this run by chance with probability at most alpha = {} (all of its checks "
      "and cases "
      "together). Over {} the chance of any false alarm is at most {} x alpha = {}.\n",
      short_number(header.alpha), counted(digest.backends.size(), "backend"), digest.backends.size(),
      short_number(header.alpha * static_cast<double>(digest.backends.size())));
  text +=
      "- A p-value is compared with its own significance level, a share of alpha that was fixed before any "
      "data "
      "existed. An interval excludes the expected value exactly when the test rejects.\n"
      "- PASS does not prove correctness: it speaks only of the cases listed here, smaller effects than "
      "those under "
      "\"What a pass would have caught\" may exist, and each check has its blind spots.\n"
      "- *inconclusive* means that a test was not valid or too weak here (*underpowered*), or that it looked "
      "suspicious when another test had failed already (*suspicious, not pursued*); *unsupported* that the "
      "backend "
      "does not "
      "claim the feature; *expected failures* are known and listed by the user. The last two never decide, "
      "and neither "
      "do recommended checks.\n";
  text += fmt::format(
      "- All seeds follow from the master seed {:#x}. With it the same plan asks the same questions again "
      "and a "
      "reproducible backend gives the same answers; `--vary-seed` draws new ones.\n",
      header.master_seed);
  if (header.profile == "case") {
    text += "- The run is a single case outside the profiles; the repro lines rerun it.\n\n";
    return text;
  }
  text += header.filters.empty()
              ? "- To run it again:\n\n"
              : "- To run the whole profile (add the filters named above for this part):\n\n";
  text += markdown_block(rerun_command(header), "sh") + "\n";
  return text;
}

}  // namespace dropcheck::reports
