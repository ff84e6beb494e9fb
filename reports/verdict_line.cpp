#include "reports/verdict_line.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "reports/doubt.hpp"
#include "reports/escape.hpp"

namespace dropcheck::reports {
namespace {

constexpr std::size_t kNamed = 4;

/// The first few items and how many are left out.
std::string some_of(const std::vector<std::string>& items, std::string_view separator,
                    std::string_view noun) {
  const std::size_t shown = items.size() > kNamed ? kNamed - 1 : items.size();
  std::string text =
      fmt::format("{}", fmt::join(items.begin(), items.begin() + std::ptrdiff_t(shown), separator));
  if (shown < items.size()) text += fmt::format("{}{} more {}", separator, items.size() - shown, noun);
  return text;
}

bool could_not_open(const BackendDigest& backend) {
  return backend.backend != nullptr && !backend.backend->open_error.empty();
}

/// What happened on the backends that have results with this verdict.
std::string affected(const RunHeader& header, const Digest& digest, Verdict verdict,
                     std::string_view happened) {
  std::vector<std::string> parts;
  for (const BackendDigest& backend : digest.backends) {
    const std::size_t count = backend.tally.of(verdict);
    if (count == 0) continue;
    std::vector<std::string> ids;
    std::vector<const ResultRecord*> results;
    for (const CheckDigest& check : backend.checks) {
      if (check.tally.of(verdict) == 0) continue;
      ids.push_back(clean_line(check.id, 80));
      for (const ResultRecord* result : check.results)
        if (result->verdict == verdict && !is_recommended(*result)) results.push_back(result);
    }
    const std::string doubts = doubts_text(results);
    parts.push_back(fmt::format("{}: {} of {} results {}{}{} ({})", display_name(backend, header), count,
                                backend.tally.decided(), happened, doubts.empty() ? "" : ", ", doubts,
                                some_of(ids, ", ", "checks")));
  }
  return some_of(parts, "; ", "backends");
}

std::string unopened(const RunHeader& header, const Digest& digest) {
  std::vector<std::string> parts;
  for (const BackendDigest& backend : digest.backends)
    if (could_not_open(backend))
      parts.push_back(fmt::format("{} could not be opened: {}", display_name(backend, header),
                                  clean_line(backend.backend->open_error, 300)));
  return some_of(parts, "; ", "backends that could not be opened");
}

std::string joined(const std::string& a, const std::string& b) {
  return a.empty() || b.empty() ? a + b : a + "; " + b;
}

/// What the tests of others say, where nothing else was asked.
VerdictLine line_of_rivals(const RunHeader& header, const Digest& digest) {
  std::vector<std::string> parts;
  for (const BackendDigest& backend : digest.backends) {
    if (!is_only_rivals(backend)) continue;
    parts.push_back(fmt::format("{}: {} of {} results passed", display_name(backend, header),
                                backend.tally.passed(), backend.tally.decided()));
  }
  return {"⚪", "NOTHING DECIDED",
          fmt::format("{} ({}); the verdict of a rival's test is its own and decides nothing",
                      some_of(parts, "; ", "backends"), clean_line(header.filters, 300))};
}

VerdictLine line_of_results(const RunRecord& run, const Digest& digest) {
  const RunHeader& header = run.header;
  const auto has_code = [&](ExitCode code) { return run.footer.exit_code == static_cast<int>(code); };
  const std::string not_opened = unopened(header, digest);
  if (run.footer.verdict == Verdict::fail) {
    std::string what = affected(header, digest, Verdict::fail, "failed");
    if (what.empty()) what = "the run failed; see its results";
    return {"❌", "FAIL", joined(what, not_opened)};
  }
  if (run.footer.verdict == Verdict::error || has_code(ExitCode::backend_fault) || !not_opened.empty()) {
    std::string what = joined(affected(header, digest, Verdict::error, "ended in an error"), not_opened);
    if (what.empty()) what = "a backend could not be used";
    return {"💥", "ERROR", what};
  }
  if (run.footer.verdict == Verdict::inconclusive)
    return {"❔", "INCONCLUSIVE", affected(header, digest, Verdict::inconclusive, "allow no conclusion")};
  if (has_code(ExitCode::no_comparison))
    return {"⚪", "NOTHING COMPARED", "no check compared anything, so nothing is known about any backend"};
  if (!digest.backends.empty() && std::all_of(digest.backends.begin(), digest.backends.end(), is_only_rivals))
    return line_of_rivals(header, digest);
  std::vector<std::string> names;
  std::size_t passed = 0;
  for (const BackendDigest& backend : digest.backends) {
    names.push_back(display_name(backend, header));
    passed += backend.tally.passed();
  }
  if (passed == 0)
    return {"✅", "PASS", "nothing but expected failures was found, and nothing else was judged"};
  if (!header.filters.empty())
    return {"✅", "PASS",
            fmt::format("{} passed the {} results that were asked for ({}); the rest was not judged",
                        some_of(names, ", ", "backends"), passed, clean_line(header.filters, 300))};
  return {"✅", "PASS",
          fmt::format("{} {} as dropout (dialect {}, profile {})", some_of(names, ", ", "backends"),
                      names.size() == 1 ? "behaves" : "behave", clean_line(header.dialect, 60),
                      clean_line(header.profile, 60))};
}

}  // namespace

VerdictLine verdict_line(const RunRecord& run, const Digest& digest) {
  const bool own_fault = run.footer.exit_code == static_cast<int>(ExitCode::internal);
  if (run.footer.complete && !own_fault) return line_of_results(run, digest);
  std::string sentence = fmt::format("the run {} after {} results and decides nothing",
                                     own_fault ? "broke off through a fault of dropcheck" : "was interrupted",
                                     run.results.size());
  const std::string failed = affected(run.header, digest, Verdict::fail, "failed");
  if (run.footer.exit_code == static_cast<int>(ExitCode::fail) && !failed.empty())
    return {"❌", "FAIL", fmt::format("{}; the run stopped at the first failure", failed)};
  if (!failed.empty()) sentence += "; so far " + failed;
  return {"🚧", own_fault ? "INTERNAL ERROR" : "INCOMPLETE", sentence};
}

}  // namespace dropcheck::reports
