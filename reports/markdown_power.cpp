// What a pass is worth, and how to read the numbers.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "reports/detectable.hpp"
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

std::string effect_range(const DetectableRange& range) {
  const std::string unit = markdown_text(range.unit, 100);
  const std::string everywhere = short_number(range.everywhere);
  if (range.full_size == range.everywhere) return fmt::format("{} {}", everywhere, unit);
  return fmt::format("{} {} in the largest samples, {} in every case", short_number(range.full_size), unit,
                     everywhere);
}

std::string power_row(const CheckDigest& check) {
  std::string effects;
  std::string powers;
  if (is_exact(check)) {
    effects = "exact: any violation";
  } else {
    std::vector<std::string> parts;
    double lowest = 1;
    for (const DetectableRange& range : detectable_effects(check.results)) {
      parts.push_back(effect_range(range));
      lowest = std::min(lowest, range.power);
    }
    effects = parts.empty() ? "not stated" : fmt::format("{}", fmt::join(parts, "; "));
    if (!parts.empty()) powers = power_text(lowest);
  }
  return fmt::format("| {} | {} of {} | {} | {} |\n", markdown_text(check.id, 100), check.tally.passed(),
                     check.tally.decided(), effects, powers);
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
        "### {}\n\n| check | cases passed | would have been caught | with probability |\n| --- | --- | --- | "
        "--- |\n",
        markdown_text(display_name(backend, header), 250));
    for (const CheckDigest& check : backend.checks)
      if (check.tally.passed() != 0) table.rows.push_back(power_row(check));
    if (!table.rows.empty()) tables.push_back(std::move(table));
  }
  return tables;
}

TableText blind_spots(const Digest& digest) {
  std::map<std::string, const CheckRecord*> passed;
  for (const BackendDigest& backend : digest.backends)
    for (const CheckDigest& check : backend.checks)
      if (check.tally.passed() != 0 && check.info != nullptr && !check.info->cannot_see.empty())
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
      "- *inconclusive* means that a test was not valid or too weak here; *unsupported* that the backend "
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
