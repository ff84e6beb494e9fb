// What is wrong, and what was known to be.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "reports/doubt.hpp"
#include "reports/escape.hpp"
#include "reports/markdown_sections.hpp"
#include "reports/number_text.hpp"

namespace dropcheck::reports {
namespace {

constexpr std::size_t kMaxListed = 8;  // values of one count, counts of one statistic

std::string_view happened(Verdict verdict) {
  switch (verdict) {
    case Verdict::fail: return "failed";
    case Verdict::error: return "ended in an error";
    default: return "allow no conclusion";
  }
}

std::string counts_text(const Statistic& statistic) {
  std::vector<std::string> parts;
  for (const auto& [name, values] : statistic.counts) {
    if (parts.size() == kMaxListed) {
      parts.push_back(fmt::format("and {} more", statistic.counts.size() - kMaxListed));
      break;
    }
    if (values.size() > kMaxListed) {
      parts.push_back(fmt::format("{}: {} integers", markdown_text(name, 60), values.size()));
      continue;
    }
    std::vector<std::string> digits;
    for (const Int128 value : values) digits.push_back(to_string(value));
    parts.push_back(fmt::format("{} = {}", markdown_text(name, 60), fmt::join(digits, " ")));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string statistic_lines(const Statistic& s) {
  std::string text;
  if (s.effect) text += fmt::format("- effect: {}\n", markdown_text(effect_text(*s.effect), 300));
  text += fmt::format("- p-value {} (significance level {}) of {}", p_value_text(s), short_number(s.alpha),
                      markdown_text(statistic_label(s), 150));
  if (!s.null_law.empty()) text += fmt::format(" under {}", markdown_text(s.null_law, 200));
  if (!s.engine.empty()) text += fmt::format(", engine: {}", markdown_text(s.engine, 100));
  text += "\n";
  if (!s.counts.empty()) text += fmt::format("- counts: {}\n", counts_text(s));
  return text;
}

/// "3 of 40 results failed, 1 of 40 results allow no conclusion (1 underpowered)".
std::string counts_sentence(const CheckDigest& check) {
  std::vector<std::string> parts;
  const std::size_t decided = check.tally.decided();
  for (const Verdict verdict : {Verdict::fail, Verdict::error, Verdict::inconclusive}) {
    std::size_t count = 0;
    for (const ResultRecord* result : check.results) count += result->verdict == verdict ? 1 : 0;
    if (count != 0) parts.push_back(fmt::format("{} of {} results {}", count, decided, happened(verdict)));
  }
  std::string text = fmt::format("{}", fmt::join(parts, ", "));
  if (const std::string doubts = doubts_text(check.results); !doubts.empty())
    text += fmt::format(" ({})", doubts);
  if (is_rival(check.id)) text += " (a rival's test: its verdict is its own and decides nothing)";
  else if (check.is_recommended()) text += " (a recommended check: it does not decide)";
  return text;
}

std::string full_text(const CheckDigest& check) {
  const ResultRecord& worst = *check.results.front();
  std::string text = fmt::format("#### {}", markdown_text(check.id, 100));
  if (check.info != nullptr && !check.info->title.empty())
    text += fmt::format(": {}", markdown_text(check.info->title, 200));
  text += fmt::format("\n\n{}. The clearest case:\n\n", counts_sentence(check));
  if (!worst.message.empty()) text += fmt::format("> {}\n\n", markdown_text(worst.message));
  text += fmt::format("- case: {}", markdown_code(worst.problem, 600));
  if (!worst.protocol.empty()) text += fmt::format(", protocol {}", markdown_text(worst.protocol, 60));
  if (const auto n = mask_entries(worst)) text += fmt::format(", n = {} mask entries", n);
  if (const unsigned stages = last_stage(worst); stages > 1) text += fmt::format(" in {} stages", stages);
  text += "\n";
  if (tested_own_p(worst)) {
    const auto asked = asked_p(worst);
    text += fmt::format("- drop probability: {}{} declared by the backend and tested\n",
                        asked ? fmt::format("{} asked for, ", short_number(*asked)) : std::string(),
                        exact_number(*worst.effective_p));
  }
  if (const Statistic* statistic = quoted_statistic(worst)) text += statistic_lines(*statistic);
  if (check.info != nullptr && !check.info->catches.empty())
    text += fmt::format("- this check catches: {}\n", markdown_text(check.info->catches, 500));
  text.append("\n").append(stages_table(worst));
  if (!worst.repro.empty()) text += markdown_block(worst.repro, "sh") + "\n";
  std::size_t further = 0;
  for (const ResultRecord* result : check.results) further += is_finding(result->verdict) ? 1 : 0;
  if (further > 1) text += fmt::format("And {}.\n\n", counted(further - 1, "further case"));
  return text;
}

std::string brief_text(const CheckDigest& check) {
  const ResultRecord& worst = *check.results.front();
  std::string text = fmt::format("- {}: {}", markdown_text(check.id, 100), counts_sentence(check));
  if (!worst.message.empty()) text += fmt::format("; {}", markdown_text(worst.message, 200));
  return text + "\n";
}

}  // namespace

std::vector<BackendFindings> findings_of(const RunRecord& run, const Digest& digest) {
  std::vector<BackendFindings> all;
  for (const BackendDigest& backend : digest.backends) {
    BackendFindings found;
    found.heading = fmt::format("### {}\n\n", markdown_text(display_name(backend, run.header), 250));
    for (const CheckDigest* check : backend.findings()) {
      found.checks.push_back({full_text(*check), brief_text(*check)});
      found.decides = found.decides || !check->is_recommended();
    }
    if (found.checks.empty()) continue;
    const auto list = std::find_if(run.rejections.begin(), run.rejections.end(),
                                   [&](const RejectionList& r) { return r.backend == backend.spec; });
    if (list != run.rejections.end()) found.rejections = rejections_table(*list);
    all.push_back(std::move(found));
  }
  return all;
}

std::vector<std::string> expected_failures(const Digest& digest) {
  std::vector<std::string> lines;
  for (const BackendDigest& backend : digest.backends) {
    for (const CheckDigest& check : backend.checks) {
      const ResultRecord* first = nullptr;
      std::size_t count = 0;
      for (const ResultRecord* result : check.results) {
        if (result->verdict != Verdict::expected_fail) continue;
        if (first == nullptr) first = result;
        ++count;
      }
      if (first != nullptr)
        lines.push_back(fmt::format("- {}, {}: {}; {}\n", markdown_code(backend.spec, 200),
                                    markdown_text(check.id, 100), counted(count, "result"),
                                    markdown_text(first->reason, 400)));
    }
  }
  return lines;
}

}  // namespace dropcheck::reports
