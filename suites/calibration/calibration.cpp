#include "suites/calibration/calibration.hpp"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <map>

#include "harness/stats/randomised_pit.hpp"
#include "suites/calibration/targets.hpp"

namespace dropcheck::suites::calibration {
namespace {

constexpr char kCalibrationIntro[] = R"(# Calibration of p-values

Written by `{}` in {:.0f} s on {} {}; seed {:#x}.

A p-value promises: on a correct mask it falls to a level a or below with probability at most a. This page
measures that probability for every statistic, at a = 1e-3, 1e-6 and 1e-9, on masks of independent entries
from a generator of its own, through the same code that judges backends.

## How it is measured

An event of probability 1e-9 is not seen by waiting for it. Masks are drawn from a *tilted* law under which
the event is common: a shifted rate, one lane or cell with another rate, a chain in which an entry depends on
earlier ones, blocks or gaps of another law, a forced run. Each mask that is rejected counts with the exact
ratio of its probability under independence to that under the tilted law (importance sampling). Laws for
several levels and both signs are mixed, and the ratio is that of the mixture. Where the p-value depends on
one integer of known law, all its outcomes are summed instead: "exact" in the column of runs. Where no tilt
fits ("all pairs"), masks are simulated as they are, at levels that simulation reaches.

*Ratio* is the measured probability over the level. 1 is perfect; below 1 is a careful p-value, above 1 an
optimistic one. The interval is meant to hold the true ratio with probability 1 - {:g}: Student's t of the
means of 50 batches, which takes such means as normal, or Clopper and Pearson's, which is exact, where nothing
was tilted.

A row fails when the whole interval lies above {}, or below {} for an engine that is neither a bound nor
discrete. *Vague* is a row with fewer than {} rejected masks under a tilted law, or an interval wider than a
factor of 10: it says nothing. Statistics that are a maximum over cells are measured for one cell alone where the cell is named, as a
later stage of a run tests it; the correction for all cells is Bonferroni's and needs no measurement.

## Engines that may be far below their level

)";

constexpr double kRates[] = {0.5, 0.3, 0.1, 0.05, 0.01};
constexpr double kBriefRates[] = {0.5, 0.1};
constexpr std::uint64_t kBriefRuns = 1500;
constexpr std::uint64_t kBriefSize = 1u << 16;  // the largest in brief
constexpr double kBriefWork = 5e7;              // entries drawn for one cell in brief
constexpr std::uint64_t kFewestRuns = 100;

/// Every engine of a hit is a bound or discrete.
bool is_bound(const std::string& engines) {
  if (engines.empty()) return false;
  for (std::size_t begin = 0; begin < engines.size();) {
    const std::size_t end = std::min(engines.find(" / ", begin), engines.size());
    if (why_bound(std::string_view(engines).substr(begin, end - begin)) == nullptr) return false;
    begin = end == engines.size() ? end : end + 3;
  }
  return true;
}

Cell measure_cell(const Target& target, const Check& check, double p, std::uint64_t entries,
                  const CalibrationOptions& options) {
  Cell cell;
  cell.id = target.id;
  cell.check = target.check;
  cell.statistic =
      target.cell ? fmt::format("{} (cell {} alone)", target.statistic, *target.cell) : target.statistic;
  cell.p = p;
  cell.entries = entries;
  const SampleInfo sample = target.sample(p, entries);
  const Applicability applies = check.applies(sample);
  if (!applies.applies) {
    cell.left_out = applies.left_out.empty() ? "the check does not apply" : applies.left_out;
    return cell;
  }
  const std::vector<std::int8_t> integers =
      target.integers ? target.integers(entries) : std::vector<std::int8_t>{};
  const CheckUnderTest test(check, sample, target.statistic, target.cell, integers, target.side);
  if (!test.exists()) {
    cell.left_out = "this statistic of the check is not valid at this size";
    return cell;
  }
  if (target.law) {
    cell.levels = enumerate(test, target.law(sample), target.levels);
    return cell;
  }
  Sampling sampling;
  const double wanted =
      target.runs * static_cast<double>(options.brief ? std::min(options.runs, kBriefRuns) : options.runs);
  sampling.runs = static_cast<std::uint64_t>(wanted);
  if (options.brief)
    sampling.runs = std::clamp<std::uint64_t>(
        static_cast<std::uint64_t>(kBriefWork / static_cast<double>(entries)), kFewestRuns, sampling.runs);
  std::uint64_t place = entries * 1000 + static_cast<std::uint64_t>(p * 1000);
  for (const char letter : cell.check + cell.statistic)
    place = stats::derived_key(place, static_cast<unsigned char>(letter));
  sampling.seed = stats::derived_key(options.seed, place);
  sampling.threads = options.threads;
  cell.levels = measure(test, *target.tilt(sample), target.levels, sampling);
  for (Measured& m : cell.levels) m.share = target.share;
  return cell;
}

template <typename Visit>
void for_each_cell(const Registry& registry, const CalibrationOptions& options, Visit&& visit) {
  const std::span<const double> rates = options.brief ? std::span<const double>(kBriefRates) : kRates;
  for (const Target& target : targets()) {
    const Check* check = registry.check(target.check);
    if (check == nullptr || !is_wanted(options.check_glob, target.check)) continue;
    for (const double p : target.rates.empty() ? rates : std::span<const double>(target.rates))
      for (const std::uint64_t entries : target.sizes)
        if (!options.brief || entries <= kBriefSize) visit(target, *check, p, entries);
  }
}

std::string ratio_text(double ratio) { return ratio > 1e4 ? "large" : fmt::format("{:.3g}", ratio); }

std::string power_of_two(std::uint64_t n) {
  unsigned k = 0;
  while ((std::uint64_t{1} << k) < n) ++k;
  return (std::uint64_t{1} << k) == n ? fmt::format("2^{}", k) : fmt::format("{}", n);
}

}  // namespace

std::string_view to_string(Finding finding) {
  switch (finding) {
    case Finding::holds: return "holds";
    case Finding::vague: return "vague";
    case Finding::too_high: return "TOO HIGH";
    case Finding::too_low: return "TOO LOW";
  }
  return "?";
}

Finding judge(const Measured& measured) {
  if (measured.lowest_ratio() > kHighestRatio) return Finding::too_high;
  if (!measured.is_vague() && measured.highest_ratio() < kLowestRatio && !is_bound(measured.engine))
    return Finding::too_low;
  return measured.is_vague() ? Finding::vague : Finding::holds;
}

bool Cell::fails() const {
  return std::any_of(levels.begin(), levels.end(), [](const Measured& m) {
    return judge(m) == Finding::too_high || judge(m) == Finding::too_low;
  });
}

bool any_fails(const std::vector<Cell>& cells) {
  return std::any_of(cells.begin(), cells.end(), [](const Cell& cell) { return cell.fails(); });
}

bool is_wanted(const std::string& glob, const std::string& check) {
  return glob.empty() || fnmatch(glob.c_str(), check.c_str(), 0) == 0;
}

std::size_t planned_cells(const Registry& registry, const CalibrationOptions& options) {
  std::size_t cells = 0;
  for_each_cell(registry, options, [&](const Target&, const Check&, double, std::uint64_t) { ++cells; });
  return cells;
}

std::vector<Cell> calibrate(const Registry& registry, const CalibrationOptions& options,
                            const std::function<void(const Cell&)>& progress) {
  std::vector<Cell> cells;
  for_each_cell(registry, options,
                [&](const Target& target, const Check& check, double p, std::uint64_t entries) {
                  cells.push_back(measure_cell(target, check, p, entries, options));
                  progress(cells.back());
                });
  return cells;
}

std::string calibration_page(const std::vector<Cell>& cells, const CalibrationOptions& options,
                             const std::string& command, double seconds) {
  std::string page = fmt::format(kCalibrationIntro, command, seconds, options.threads,
                                 options.threads == 1 ? "thread" : "threads", options.seed, kIntervalError,
                                 kHighestRatio, kLowestRatio, kFewestHits);
  std::map<std::string, const char*> bounds;
  std::map<Finding, std::size_t> findings;
  for (const Cell& cell : cells) {
    for (const Measured& m : cell.levels) {
      ++findings[judge(m)];
      for (std::size_t begin = 0; begin < m.engine.size();) {
        const std::size_t end = std::min(m.engine.find(" / ", begin), m.engine.size());
        const std::string engine = m.engine.substr(begin, end - begin);
        if (const char* why = why_bound(engine)) bounds[engine] = why;
        begin = end == m.engine.size() ? end : end + 3;
      }
    }
  }
  page += "| engine | why |\n| --- | --- |\n";
  for (const auto& [engine, why] : bounds) page += fmt::format("| `{}` | {} |\n", engine, why);
  page += fmt::format("\n## Results\n\n{} rows: {} hold, {} vague, {} too high, {} too low.\n\n",
                      findings[Finding::holds] + findings[Finding::vague] + findings[Finding::too_high] +
                          findings[Finding::too_low],
                      findings[Finding::holds], findings[Finding::vague], findings[Finding::too_high],
                      findings[Finding::too_low]);
  page += "| statistic | engine | p | entries | level | ratio | interval | runs | finding |\n";
  page += "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
  for (const Cell& cell : cells) {
    for (const Measured& m : cell.levels) {
      page += fmt::format(
          "| {} {} | {} | {} | {} | {:g} | {} | {} | {} | {} |\n", cell.id, cell.statistic, m.engine, cell.p,
          power_of_two(cell.entries), m.level, m.exact || m.hits > 0 ? ratio_text(m.ratio()) : "-",
          m.exact ? std::string("-")
                  : fmt::format("{} .. {}", ratio_text(m.lowest_ratio()), ratio_text(m.highest_ratio())),
          m.exact ? std::string("exact") : fmt::format("{}", m.runs), to_string(judge(m)));
    }
  }
  page += "\n## Not measured at some sizes\n\n| statistic | p and entries | rule |\n| --- | --- | --- |\n";
  std::vector<std::pair<std::string, std::string>> order;  // statistic and rule, as they come
  std::map<std::pair<std::string, std::string>, std::string> places;
  for (const Cell& cell : cells) {
    if (cell.left_out.empty()) continue;
    const auto key = std::pair(fmt::format("{} {}", cell.id, cell.statistic), cell.left_out);
    std::string& place = places[key];
    if (place.empty()) order.push_back(key);
    place += fmt::format("{}{} at {}", place.empty() ? "" : ", ", cell.p, power_of_two(cell.entries));
  }
  for (const auto& key : order) page += fmt::format("| {} | {} | {} |\n", key.first, places[key], key.second);
  page += "\n## Not measured here\n\n| statistic | check | why |\n| --- | --- | --- |\n";
  for (const NotMeasured& n : not_measured())
    page += fmt::format("| {} | `{}` | {} |\n", n.id, n.check, n.reason);
  return page;
}

}  // namespace dropcheck::suites::calibration
