#include "reports/markdown.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "reports/conformance.hpp"
#include "reports/dialect_section.hpp"
#include "reports/markdown_sections.hpp"

namespace dropcheck::reports {
namespace {

constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
constexpr std::size_t kFullPerBackend = 5;
constexpr std::size_t kKeptFindings = 5;

/// How much of each part that may be cut is kept, in the order in which they are cut.
struct Keep {
  std::size_t cells = kAll;
  std::size_t environment = kAll;
  std::size_t power_rows = kAll;
  std::size_t dialect_rows = kAll;
  std::size_t rejections = kAll;
  std::size_t incidents = kAll;
  std::size_t findings = kAll;  // of those in full and of those in one line, each

  friend bool operator==(const Keep&, const Keep&) = default;
};

struct Knob {
  std::size_t Keep::*part;
  std::size_t least;
};
constexpr Knob kKnobs[] = {
    {&Keep::cells, 0},      {&Keep::environment, 0}, {&Keep::dialect_rows, 0},        {&Keep::power_rows, 0},
    {&Keep::rejections, 0}, {&Keep::incidents, 0},   {&Keep::findings, kKeptFindings}};

/// The report in pieces, rendered once; putting them together for another Keep is cheap.
class Composer {
 public:
  Composer(const RunRecord& run, const MarkdownOptions& options, const Digest& digest)
      : budget_(options.byte_budget),
        overview_(title_section(run, digest) + backends_section(run.header, digest) +
                  dialect_section(run.header) + suites_section(run.header, digest) +
                  fingerprint_section(run.header, digest)),
        columns_(conformance_columns(run.header, digest)),
        dialect_counts_(conformance_counts(rows_of(run.header), columns_)),
        dialect_rows_({conformance_table("", rows_of(run.header), columns_)}),
        findings_(findings_of(run, digest)),
        expected_(expected_failures(digest)),
        incidents_(incident_lines(run.incidents)),
        power_(power_tables(run.header, digest)),
        guide_(guide_section(run.header, digest)),
        cells_(cell_tables(run.header, digest)),
        environment_(environment_lines(run.environment)),
        identity_(fmt::format("- plan hash: `{}`\n- tool version: `{}`\n", plain(run.header.plan_hash),
                              plain(run.header.tool_version))) {
    if (auto blind = blind_spots(digest); !blind.rows.empty()) power_.push_back(std::move(blind));
  }

  std::string compose(const Keep& keep) const {
    return overview_ + findings_text(keep) + expected_text(keep.findings) + incidents_text(keep.incidents) +
           dialect_text(keep.dialect_rows) + power_text(keep.power_rows) + guide_ + details_text(keep);
  }

  /// The number of pieces in the largest part.
  std::size_t most() const {
    std::size_t sum = environment_.size() + expected_.size() + incidents_.size();
    for (const auto* tables : {&power_, &cells_, &dialect_rows_})
      for (const TableText& table : *tables) sum += table.rows.size();
    for (const BackendFindings& backend : findings_)
      sum += backend.checks.size() + backend.rejections.rows.size();
    return sum;
  }

  std::string left_out(std::size_t count, std::string_view noun) const {
    if (count == 0) return {};
    return fmt::format("\n{} {} left out to keep this report below {} KiB; all are in results.jsonl.\n",
                       count, noun, budget_ / 1024);
  }

 private:
  static std::string plain(std::string text) {
    std::erase_if(text, [](char c) { return c <= ' ' || c > '~' || c == '`' || c == '<'; });
    return text.substr(0, 100);
  }

  std::string findings_text(const Keep& kept) const {
    const std::size_t keep = kept.findings;
    if (findings_.empty()) return {};
    bool decides = false;
    for (const BackendFindings& backend : findings_) decides = decides || backend.decides;
    std::string text =
        decides ? "## What is wrong\n\n" : "## What was noticed, though it does not decide\n\n";
    std::size_t full = 0;
    std::size_t brief = 0;
    std::size_t cut = 0;
    std::size_t rows = 0;
    std::size_t rows_cut = 0;
    for (const BackendFindings& backend : findings_) {
      std::string part;
      std::size_t first = 0;
      for (; first < backend.checks.size() && first < kFullPerBackend && full < keep; ++first, ++full)
        part += backend.checks[first].full;
      const std::string in_full = part;
      for (std::size_t i = first; i < backend.checks.size(); ++i) {
        if (brief < keep) {
          part += backend.checks[i].brief;
          ++brief;
        } else {
          ++cut;
        }
      }
      if (part.empty()) {
        rows_cut += backend.rejections.rows.size();
        continue;
      }
      text += backend.heading + part + (part == in_full ? "" : "\n");
      const std::size_t shown = std::min(backend.rejections.rows.size(), kept.rejections - rows);
      rows += shown;
      rows_cut += backend.rejections.rows.size() - shown;
      if (shown != 0) text += table_text(backend.rejections, shown);
    }
    if (rows_cut != 0) text += left_out(rows_cut, "rows of rejected hypotheses").substr(1) + "\n";
    if (cut != 0) text += left_out(cut, "checks with findings") + "\n";
    return text;
  }

  std::string expected_text(std::size_t keep) const {
    if (expected_.empty()) return {};
    std::string text = "## Expected failures\n\n";
    const std::size_t shown = std::min(keep, expected_.size());
    for (std::size_t i = 0; i < shown; ++i) text += expected_[i];
    return text + left_out(expected_.size() - shown, "lines") + "\n";
  }

  std::string incidents_text(std::size_t keep) const {
    if (incidents_.empty()) return {};
    std::string text =
        "## What backends did besides answering\n\nIt decides nothing. What a worker's process shares "
        "between "
        "calls was set back after every call.\n\n";
    const std::size_t shown = std::min(keep, incidents_.size());
    for (std::size_t i = 0; i < shown; ++i) text += incidents_[i];
    return text + left_out(incidents_.size() - shown, "lines") + "\n";
  }

  static std::string table_text(const TableText& table, std::size_t shown) {
    std::string text = table.head;
    for (std::size_t i = 0; i < shown; ++i) text += table.rows[i];
    return text + "\n";
  }

  /// Tables until `keep` rows are used up.
  std::string tables_text(const std::vector<TableText>& tables, std::size_t keep) const {
    std::string text;
    std::size_t used = 0;
    std::size_t total = 0;
    for (const TableText& table : tables) {
      total += table.rows.size();
      const std::size_t shown = std::min(table.rows.size(), keep - used);
      if (shown == 0) continue;
      text += table_text(table, shown);
      used += shown;
    }
    const std::string note = left_out(total - used, "rows");
    return note.empty() ? text : text + note.substr(1) + "\n";
  }

  std::string dialect_text(std::size_t keep) const {
    if (columns_.empty()) return {};
    return "## Conformance to PyTorch, row by row\n\n" + dialect_counts_ +
           "\n<details><summary>All rows</summary>\n\n" + tables_text(dialect_rows_, keep) + "</details>\n\n";
  }

  std::string power_text(std::size_t keep) const {
    const std::string head = "## What a pass would have caught\n\n";
    if (power_.empty()) return head + "No result passed.\n\n";
    return head +
           "Any effect of that size, or larger, would have failed with the probability given: in the "
           "largest samples, and in every single case. All stages count: what looks suspicious is tested "
           "again on larger samples. Beside it stands what the profile requires; a case that would have "
           "caught less is underpowered and no pass. "
           "Exact checks leave nothing to chance: any violation in a case that ran would have failed.\n\n" +
           tables_text(power_, keep);
  }

  std::string details_text(const Keep& keep) const {
    std::string text =
        "<details><summary>All results, environment, plan</summary>\n\n" + tables_text(cells_, keep.cells);
    text += "### Environment and plan\n\n" + identity_;
    const std::size_t shown = std::min(keep.environment, environment_.size());
    for (std::size_t i = 0; i < shown; ++i) text += environment_[i];
    return text + left_out(environment_.size() - shown, "lines about the environment") + "\n</details>\n";
  }

  std::size_t budget_;
  std::string overview_;
  std::vector<ConformanceColumn> columns_;
  std::string dialect_counts_;
  std::vector<TableText> dialect_rows_;
  std::vector<BackendFindings> findings_;
  std::vector<std::string> expected_;
  std::vector<std::string> incidents_;
  std::vector<TableText> power_;
  std::string guide_;
  std::vector<TableText> cells_;
  std::vector<std::string> environment_;
  std::string identity_;
};

/// For records that no cut makes small enough, such as one with ten thousand suites: whole lines up to the
/// budget.
std::string hard_cut(const std::string& text, std::size_t budget) {
  const std::string note = fmt::format(
      "\nThe rest is left out to keep this report below {} KiB; all is in "
      "results.jsonl.\n",
      budget / 1024);
  if (budget <= note.size()) return text.substr(0, text.find('\n') + 1).substr(0, budget);
  const std::size_t end = text.rfind('\n', budget - note.size() - 1);
  return (end == std::string::npos ? std::string() : text.substr(0, end + 1)) + note;
}

}  // namespace

std::string markdown_report(const RunRecord& run, const MarkdownOptions& options) {
  const Digest digest(run);
  const Composer composer(run, options, digest);
  Keep keep;
  std::string text = composer.compose(keep);
  for (const auto& [part, least] : kKnobs) {
    if (text.size() <= options.byte_budget) return text;
    keep.*part = least;
    text = composer.compose(keep);
    if (text.size() > options.byte_budget) continue;
    // It fits now: give this part back as much as there is room for.
    for (std::size_t low = least, high = composer.most(); low < high;) {
      const std::size_t middle = low + (high - low + 1) / 2;
      keep.*part = middle;
      if (composer.compose(keep).size() <= options.byte_budget) {
        low = middle;
      } else {
        high = middle - 1;
      }
      keep.*part = low;
    }
    return composer.compose(keep);
  }
  return text.size() <= options.byte_budget ? text : hard_cut(text, options.byte_budget);
}

}  // namespace dropcheck::reports
