// Title, backends and the table of suites: the first screen.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <map>

#include "reports/escape.hpp"
#include "reports/markdown_sections.hpp"
#include "reports/number_text.hpp"
#include "reports/verdict_line.hpp"

namespace dropcheck::reports {
namespace {

constexpr std::size_t kMaxColumns = 6;  // more backends become rows
constexpr std::size_t kMaxBackends = 200;
constexpr std::size_t kMaxNotes = 20;

std::string seeds_text(const Capabilities& c) {
  return fmt::format("{}, {} bits", to_string(c.seed_semantics), c.seed_bits);
}

/// One cell of the overview; `any` is false where no check of the suite gave a result.
std::string tally_cell(const Tally& tally, bool any) {
  if (!any) return "not run";
  std::vector<std::string> parts;
  const std::size_t decided = tally.decided();
  const auto add = [&](Verdict verdict, std::string_view word) {
    if (const std::size_t n = tally.of(verdict))
      parts.push_back(fmt::format("{} {} of {}", word, n, decided));
  };
  add(Verdict::fail, "**FAIL**");
  add(Verdict::error, "**ERROR**");
  add(Verdict::inconclusive, "**inconclusive**");
  if (parts.empty() && tally.passed() != 0) parts.push_back(fmt::format("pass {}", tally.passed()));
  if (const std::size_t n = tally.of(Verdict::expected_fail))
    parts.push_back(fmt::format("expected failures {}", n));
  if (const std::size_t n = tally.advised()) parts.push_back(fmt::format("recommended findings {}", n));
  if (decided == 0) parts.push_back("n.a.");
  if (const std::size_t n = tally.of(Verdict::unsupported)) parts.push_back(fmt::format("unsupported {}", n));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string suite_cell(const BackendDigest& backend, const std::string& suite) {
  if (backend.backend != nullptr && !backend.backend->open_error.empty()) return "**not opened**";
  Tally tally;
  bool any = false;
  for (const CheckDigest& check : backend.checks) {
    if (check.suite() != suite) continue;
    for (const ResultRecord* result : check.results) tally.add(*result);
    any = true;
  }
  return tally_cell(tally, any);
}

std::string table_row(const std::vector<std::string>& cells) {
  return fmt::format("| {} |\n", fmt::join(cells, " | "));
}

std::string table_rule(std::size_t columns) {
  std::string rule = "|";
  for (std::size_t i = 0; i < columns; ++i) rule += " --- |";
  return rule + "\n";
}

/// "dtype f16 12, in_place 8": what kept results from being made.
std::string unsupported_text(const BackendDigest& backend) {
  std::map<std::string, std::size_t> missing;
  for (const CheckDigest& check : backend.checks)
    for (const ResultRecord* result : check.results)
      if (result->verdict == Verdict::unsupported)
        ++missing[result->missing.empty() ? "unnamed" : result->missing];
  std::vector<std::string> parts;
  for (const auto& [name, count] : missing) {
    if (parts.size() == kMaxNotes) {
      parts.push_back(fmt::format("and {} more", missing.size() - kMaxNotes));
      break;
    }
    parts.push_back(fmt::format("{} ({})", markdown_text(name, 100), counted(count, "result")));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

/// "0.1015625 for p = 0.1 (12 results)": drop probabilities that a backend has by its own account.
std::string own_rates_text(const BackendDigest& backend) {
  constexpr double kNoticed = 1e-6;  // less is beyond any sample; thresholds of 32 bits are nearer
  std::map<std::pair<double, double>, std::size_t> rates;  // asked for, declared
  for (const CheckDigest& check : backend.checks)
    for (const ResultRecord* result : check.results)
      if (const auto asked = asked_p(*result);
          asked && tested_own_p(*result) && !(std::fabs(*result->effective_p - *asked) <= kNoticed * *asked))
        ++rates[{*asked, *result->effective_p}];
  std::vector<std::string> parts;
  for (const auto& [rate, count] : rates) {
    if (parts.size() == kMaxNotes) {
      parts.push_back(fmt::format("and {} more", rates.size() - kMaxNotes));
      break;
    }
    parts.push_back(fmt::format("{} for p = {} ({})", exact_number(rate.second), short_number(rate.first),
                                counted(count, "result")));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string own_rates(const Digest& digest) {
  std::string text;
  for (const BackendDigest& backend : digest.backends)
    if (const std::string rates = own_rates_text(backend); !rates.empty())
      text += fmt::format("- {}: {}\n", markdown_code(backend.spec, 200), rates);
  if (text.empty()) return text;
  return fmt::format(
      "A backend may declare a drop probability of its own, and the statistics test that one. More than a "
      "millionth away from p are:\n\n{}\n",
      text);
}

}  // namespace

std::string title_section(const RunRecord& run, const Digest& digest) {
  const VerdictLine line = verdict_line(run, digest);
  std::string text = fmt::format("# {} {}: {}\n\n", line.icon, line.word, markdown_text(line.sentence, 1500));
  std::vector<std::string> counts;
  for (const auto& [name, count] : run.footer.counts)
    if (count != 0) counts.push_back(fmt::format("{} {}", count, markdown_text(name, 40)));
  text += fmt::format("{} results{}{}. Exit code {}.", run.results.size(), counts.empty() ? "" : ": ",
                      fmt::join(counts, ", "), run.footer.exit_code);
  if (!run.footer.complete)
    text += " **The run is incomplete: cases that are not listed were never tested.**";
  if (!run.header.filters.empty())
    text += fmt::format(" Only a part of the profile was run: {}.", markdown_code(run.header.filters));
  return text + "\n\n";
}

std::string backends_section(const RunHeader& header, const Digest& digest) {
  std::string text =
      "## Backends\n\n| backend | implementation | library | device | dtypes | seeds | stream claimed |\n" +
      table_rule(7);
  std::string notes;
  std::size_t shown = 0;
  for (const BackendDigest& backend : digest.backends) {
    if (backend.backend == nullptr) continue;
    if (shown++ == kMaxBackends) break;
    const Capabilities& c = backend.backend->capabilities;
    const std::string name = markdown_code(backend.spec, 200);
    if (!backend.backend->open_error.empty()) {
      text += table_row({name, "**could not be opened**", "", "", "", "", ""});
      notes +=
          fmt::format("- {} could not be opened: {}\n", name, markdown_text(backend.backend->open_error));
      continue;
    }
    std::vector<std::string> dtypes;
    for (const DType dtype : c.dtypes) dtypes.emplace_back(to_string(dtype));
    text += table_row({name, markdown_text(c.name + " " + c.version, 100),
                       c.library.empty() ? "built in" : markdown_code(c.library, 300),
                       markdown_text(c.device, 60), fmt::format("{}", fmt::join(dtypes, " ")), seeds_text(c),
                       c.exact_stream.empty() ? "none" : markdown_text(c.exact_stream, 100)});
    for (std::size_t i = 0; i < c.notes.size() && i < kMaxNotes; ++i)
      notes += fmt::format("- {}: {}\n", name, markdown_text(c.notes[i], 300));
  }
  if (shown > kMaxBackends)
    notes += fmt::format("- {} backends are not listed here; all are in results.jsonl\n",
                         header.backends.size() - kMaxBackends);
  return text + "\n" + notes + (notes.empty() ? "" : "\n");
}

std::string suites_section(const RunHeader& header, const Digest& digest) {
  const bool columns = digest.backends.size() <= kMaxColumns;
  std::string text = "## Results by suite\n\n";
  std::vector<std::string> head = {columns ? "suite" : "backend"};
  if (columns) {
    for (const BackendDigest& backend : digest.backends)
      head.push_back(markdown_text(display_name(backend, header), 100));
    text += table_row(head) + table_rule(head.size());
    for (const std::string& suite : digest.suites) {
      std::vector<std::string> cells = {markdown_text(suite, 60)};
      for (const BackendDigest& backend : digest.backends) cells.push_back(suite_cell(backend, suite));
      text += table_row(cells);
    }
  } else {
    for (const std::string& suite : digest.suites) head.push_back(markdown_text(suite, 60));
    text += table_row(head) + table_rule(head.size());
    for (std::size_t b = 0; b < digest.backends.size() && b < kMaxBackends; ++b) {
      const BackendDigest& backend = digest.backends[b];
      std::vector<std::string> cells = {markdown_text(display_name(backend, header), 100)};
      for (const std::string& suite : digest.suites) cells.push_back(suite_cell(backend, suite));
      text += table_row(cells);
    }
  }
  std::string missing;
  for (const BackendDigest& backend : digest.backends)
    if (backend.tally.decided() != 0 || !backend.checks.empty())
      if (const std::string what = unsupported_text(backend); !what.empty())
        missing += fmt::format("- {} does not support: {}\n", markdown_code(backend.spec, 200), what);
  if (!missing.empty())
    missing = "What a backend does not claim is not held against it:\n\n" + missing + "\n";
  return text + "\n" + missing + own_rates(digest);
}

}  // namespace dropcheck::reports
