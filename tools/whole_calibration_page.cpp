#include "tools/whole_calibration_page.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dropcheck::tools {
namespace {

constexpr std::string_view kBegin = "<!-- whole runs: begin -->\n";
constexpr std::string_view kEnd = "<!-- whole runs: end -->\n";
constexpr std::size_t kLawsShown = 10;

constexpr char kIntro[] = R"(## Whole runs

Written by `{}`.

`dropcheck calibrate` takes one statistic at a time. Here the whole is run: every statistical check and every engine of
`quick` on small samples (`suites/inputs/calibration.txt`: {} samples, {} results), with a fresh seed for each run and
nothing pursued on further samples. A statistic alarms at a level a when its p-value is at most w a, w being the part
of the budget that its hypothesis has in this plan. By Bonferroni's inequality at most a of the runs alarm, whatever
depends on what, and runs are independent: their number is at most Binomial(runs, a).

*Most* is that law's upper limit at {:g} two-sided. *Least* is half of what the engines that are no bounds are to
spend ("Engines that may be far below their level"), and is judged where it comes to at least {:g} runs. The same
limit, with the share of one check for the whole and {:g} over all checks, holds for the runs in which that check
alarms. At the true level, {:g} of the whole budget, no result of any run may be other than passed.

)";

/// From the mark to the end of the other one; npos where there is none.
struct Place {
  std::size_t begin = std::string_view::npos, end = std::string_view::npos;
};

Expected<Place> place_in(std::string_view page) {
  Place place;
  place.begin = page.find(kBegin);
  const std::size_t end = page.find(kEnd);
  if (place.begin == std::string_view::npos && end == std::string_view::npos) return place;
  if (place.begin == std::string_view::npos || end == std::string_view::npos || end < place.begin ||
      page.find(kBegin, place.begin + 1) != std::string_view::npos)
    return Error{ErrorCode::invalid_argument,
                 "the page has one of the marks 'whole runs: begin' and 'whole runs: end' without the other"};
  place.end = end + kEnd.size();
  return place;
}

std::string finding_text(const LevelFinding& finding) {
  return finding.is_too_many() ? "TOO MANY" : finding.is_too_few() ? "TOO FEW" : "holds";
}

}  // namespace

std::string whole_section(const WholePlan& whole, const std::vector<BackendCounts>& backends,
                          const std::string& command) {
  std::string text(kBegin);
  text += fmt::format(kIntro, command, whole.plan.samples.size(), whole.plan.cells(), kWholeError,
                      kFewestForLow, kWholeError, whole.plan.alpha);
  text +=
      "| backend | runs | seconds a run | failures | level | runs that alarm | most | least | finding |\n";
  text += "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
  std::string below;
  for (const BackendCounts& b : backends) {
    const WholeFindings found = findings_of(whole, b.counts);
    for (const LevelFinding& level : found.levels)
      text += fmt::format("| {} | {} | {:.3f} | {} | {:g} | {} | {} | {} | {} |\n", b.version, b.counts.runs,
                          b.counts.seconds / static_cast<double>(b.counts.runs), b.counts.failures,
                          level.level, level.alarmed, level.most,
                          level.has_least ? fmt::format("{:.0f}", level.least) : std::string("-"),
                          finding_text(level));
    below += fmt::format(
        "\n### {}\n\n{:.0f} s of processor time. Engines that are no bounds spend {:.3f} of each level.\n\n",
        b.version, b.counts.seconds, found.exact_share);
    for (const CheckFinding& check : found.too_many)
      below += fmt::format("TOO MANY: `{}` alarms at {:g} in {} runs, where its share allows {}.\n\n",
                           check.check, check.level, check.alarmed, check.most);
    for (const std::string& words : b.counts.failed) below += fmt::format("FAILED: {}\n\n", words);
    below += fmt::format(
        "The {} engines of checks with the most alarms at 5 %, against their share; *chance* is that of as "
        "many, were\n"
        "tests of one run independent. Of {} engines one is expected to have a chance below 1/{}.\n\n"
        "| check | engine | tests | alarms | expected | ratio | chance |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n",
        std::min(kLawsShown, found.laws.size()), found.laws.size(), found.laws.size());
    for (std::size_t i = 0; i < std::min(kLawsShown, found.laws.size()); ++i) {
      const LawFinding& law = found.laws[i];
      below += fmt::format("| `{}` | `{}` | {} | {} | {:.2f} | {:.2f} | {:.2g} |\n", law.check, law.engine,
                           law.tests, law.alarms, law.expected,
                           static_cast<double>(law.alarms) / law.expected, law.tail);
    }
  }
  return text.append(below).append(kEnd);
}

Expected<std::string> section_in(std::string_view page) {
  const auto place = place_in(page);
  if (!place) return place.error();
  if (place->begin == std::string_view::npos) return std::string();
  return std::string(page.substr(place->begin, place->end - place->begin));
}

Expected<std::string> with_section(std::string_view page, std::string_view section) {
  const auto place = place_in(page);
  if (!place) return place.error();
  std::string text(page.substr(0, place->begin));
  if (place->begin != std::string_view::npos) return text.append(section).append(page.substr(place->end));
  if (text.empty()) text = "# Calibration of whole runs\n";
  if (!text.ends_with('\n')) text.push_back('\n');
  return text.append("\n").append(section);
}

}  // namespace dropcheck::tools
