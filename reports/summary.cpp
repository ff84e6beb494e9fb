#include "reports/summary.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "reports/detectable.hpp"
#include "reports/dialect_section.hpp"
#include "reports/digest.hpp"
#include "reports/doubt.hpp"
#include "reports/escape.hpp"
#include "reports/verdict_line.hpp"

namespace dropcheck::reports {
namespace {

constexpr std::size_t kMaxBackends = 10;
constexpr std::size_t kMaxFindings = 10;
constexpr std::size_t kMaxEffects = 3;

std::string_view color_of(std::string_view word) {
  if (word == "PASS") return "\x1b[32m";
  return word == "FAIL" || word == "ERROR" || word == "INTERNAL ERROR" ? "\x1b[31m" : "\x1b[33m";
}

std::string painted(std::string_view word, bool color, std::size_t width = 0) {
  const std::string padded = fmt::format("{:<{}}", word, width);
  return color ? fmt::format("{}{}\x1b[0m", color_of(word), padded) : padded;
}

std::string_view word_of(const BackendDigest& backend) {
  if (backend.backend != nullptr && !backend.backend->open_error.empty()) return "ERROR";
  if (backend.tally.of(Verdict::fail) != 0) return "FAIL";
  if (backend.tally.of(Verdict::error) != 0) return "ERROR";
  if (backend.tally.of(Verdict::inconclusive) != 0) return "INCONCLUSIVE";
  if (is_only_rivals(backend)) return "RIVALS";
  return backend.tally.passed() == 0 ? "NOTHING" : "PASS";
}

/// "mask_rate 412 of 420, unbiasedness 20": passes of each suite.
std::string suite_counts(const BackendDigest& backend, const std::vector<std::string>& suites) {
  std::vector<std::string> parts;
  for (const std::string& suite : suites) {
    std::size_t passed = 0;
    std::size_t decided = 0;
    for (const CheckDigest& check : backend.checks) {
      if (check.suite() != suite) continue;
      passed += check.tally.passed();
      decided += check.tally.decided();
    }
    if (decided == 0) continue;
    const std::string name = clean_line(suite, 60);
    parts.push_back(passed == decided ? fmt::format("{} {}", name, passed)
                                      : fmt::format("{} {} of {}", name, passed, decided));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::vector<const ResultRecord*> results_of(const BackendDigest& backend) {
  std::vector<const ResultRecord*> results;
  for (const CheckDigest& check : backend.checks)
    results.insert(results.end(), check.results.begin(), check.results.end());
  return results;
}

std::string backend_lines(const BackendDigest& backend, const Digest& digest, const RunHeader& header,
                          bool color) {
  const std::string_view word = word_of(backend);
  std::string text = fmt::format("{} {}: ", painted(word, color, 12), display_name(backend, header));
  if (backend.backend != nullptr && !backend.backend->open_error.empty())
    return text + clean_line(backend.backend->open_error, 400) + "\n";
  const std::string counts = suite_counts(backend, digest.suites);
  text += counts.empty() ? "no results" : counts + " passed";
  if (const std::size_t n = backend.tally.of(Verdict::unsupported))
    text += fmt::format("; {} unsupported", n);
  if (const std::string doubts = doubts_text(results_of(backend)); !doubts.empty())
    text += fmt::format("; {}", doubts);
  if (const std::size_t n = backend.tally.of(Verdict::expected_fail))
    text += fmt::format("; {} expected failures", n);
  if (const std::size_t n = backend.tally.advised())
    text += fmt::format("; {} findings that do not decide", n);
  text += "\n";
  if (word != "PASS") return text;
  auto effects = detectable_effects(results_of(backend));
  std::erase_if(effects, [](const DetectableRange& range) { return !std::isfinite(range.full_size); });
  if (effects.empty()) return text;
  if (effects.size() > kMaxEffects) effects.resize(kMaxEffects);
  std::vector<std::string> parts;
  for (const DetectableRange& effect : effects) parts.push_back(clean_line(full_size_text(effect), 200));
  return text +
         fmt::format("{:12} would have caught in the largest samples: {}\n", "", fmt::join(parts, ", "));
}

/// What the backend did beside answering, on one line.
std::string incidents_line(const RunRecord& run, const std::string& spec) {
  std::string text;
  for (const IncidentList& list : run.incidents) {
    if (list.backend != spec || list.texts.empty()) continue;
    text += fmt::format("{:12} besides: {}", "", clean_line(list.texts.front(), 300));
    if (list.texts.size() > 1) text += fmt::format("; and {} more in report.md", list.texts.size() - 1);
    text += "\n";
  }
  return text;
}

std::string finding_lines(const ResultRecord& result, bool color) {
  std::string word(to_string(result.verdict));
  std::transform(word.begin(), word.end(), word.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? char(c - 32) : c; });
  const std::string_view doubt = doubt_of(result);
  std::string text = fmt::format(
      "{}{} {} {} {}{}\n", painted(word, color), doubt.empty() ? std::string() : fmt::format(" ({})", doubt),
      clean_line(result.backend, 200), clean_line(result.check, 100), clean_line(result.problem, 300),
      is_rival(result.check)   ? " (a rival's verdict: decides nothing)"
      : is_recommended(result) ? " (recommended: does not decide)"
                               : "");
  if (!result.message.empty()) text += fmt::format("  {}\n", clean_line(result.message, 600));
  if (!result.repro.empty()) {
    const std::string line = clean_line(result.repro, 8192);
    text += line.starts_with("repro:") ? fmt::format("  {}\n", line) : fmt::format("  repro: {}\n", line);
  }
  return text;
}

/// The first finding of a check, which is the clearest, and how many more there are.
std::string clearest_case(const CheckDigest& check, bool color) {
  const ResultRecord* first = nullptr;
  std::size_t count = 0;
  for (const ResultRecord* result : check.results) {
    if (!is_finding(result->verdict)) continue;
    if (count++ == 0) first = result;
  }
  if (first == nullptr) return {};
  std::string text = finding_lines(*first, color);
  if (count > 1) text += fmt::format("  and {} more cases of this check\n", count - 1);
  return text;
}

}  // namespace

std::string console_summary(const RunRecord& run, bool color) {
  const Digest digest(run);
  std::vector<const BackendDigest*> backends;
  for (const BackendDigest& backend : digest.backends) backends.push_back(&backend);
  if (backends.size() > kMaxBackends)
    std::stable_partition(backends.begin(), backends.end(),
                          [](const BackendDigest* backend) { return word_of(*backend) != "PASS"; });
  std::string text;
  for (std::size_t i = 0; i < std::min(backends.size(), kMaxBackends); ++i)
    text += backend_lines(*backends[i], digest, run.header, color) + incidents_line(run, backends[i]->spec);
  if (backends.size() > kMaxBackends)
    text += fmt::format("... and {} more backends\n", backends.size() - kMaxBackends);

  text += dialect_line(run.header);

  // The clearest case of each check says more than ten cases of one.
  std::vector<const CheckDigest*> findings;
  for (const BackendDigest& backend : digest.backends)
    for (const CheckDigest* check : backend.findings()) findings.push_back(check);
  std::stable_partition(findings.begin(), findings.end(),
                        [](const auto* check) { return !check->is_recommended(); });
  for (std::size_t i = 0; i < std::min(findings.size(), kMaxFindings); ++i)
    text += clearest_case(*findings[i], color);
  if (findings.size() > kMaxFindings)
    text += fmt::format("... and {} more checks; all cases are in results.jsonl\n",
                        findings.size() - kMaxFindings);

  const VerdictLine line = verdict_line(run, digest);
  return text + fmt::format("{}: {}\n", painted(line.word, color), line.sentence);
}

}  // namespace dropcheck::reports
