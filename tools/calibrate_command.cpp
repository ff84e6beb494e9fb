// dropcheck calibrate: measures the false alarm rates and the power of the statistics themselves, and writes
// the page that shows them.

#include <fmt/format.h>

#include <chrono>

#include "harness/run/atomic_file.hpp"
#include "suites/calibration/calibration.hpp"
#include "suites/calibration/power.hpp"
#include "tools/commands.hpp"
#include "tools/whole_calibration_page.hpp"

namespace dropcheck::tools {
namespace {

using namespace suites::calibration;
using Clock = std::chrono::steady_clock;
constexpr std::size_t kMostPage = std::size_t{1} << 26;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// The command line again, as far as it matters for the result.
std::string command_line(const CalibrateArguments& a) {
  std::string text = "dropcheck calibrate";
  if (a.power) text += " --power";
  if (a.brief) text += " --short";
  if (!a.check_glob.empty()) text += fmt::format(" --check='{}'", a.check_glob);
  if (a.runs) text += fmt::format(" --runs={}", *a.runs);
  text += fmt::format(" --seed={:#x} --threads={}", a.seed, a.threads);
  if (!a.out.empty()) text += fmt::format(" --out={}", a.out);
  return text;
}

ExitCode deliver(const CalibrateArguments& arguments, const std::string& page, bool fails) {
  if (arguments.out.empty()) {
    fmt::print("{}", page);
  } else {
    const auto old = read_plain_file(arguments.out, kMostPage);
    if (!old) return usage_error(fmt::format("--out: {}", old.error().message));
    // What --full has written there stays.
    const auto whole = section_in(old->value_or(""));
    if (!whole) return usage_error(fmt::format("--out={}: {}", arguments.out, whole.error().message));
    const Status written =
        replace_file(arguments.out, whole->empty() ? page : fmt::format("{}\n{}", page, *whole));
    if (!written) return usage_error(fmt::format("--out={} cannot be written", arguments.out));
  }
  return fails ? ExitCode::fail : ExitCode::pass;
}

ExitCode calibrate_p_values(const Registry& registry, const CalibrateArguments& arguments) {
  CalibrationOptions options;
  options.check_glob = arguments.check_glob;
  if (arguments.runs) options.runs = *arguments.runs;
  options.brief = arguments.brief;
  options.seed = arguments.seed;
  options.threads = arguments.threads;
  const std::size_t planned = planned_cells(registry, options);
  if (planned == 0)
    return usage_error(
        fmt::format("no check that is calibrated matches '{}': 'dropcheck list checks' shows their names",
                    arguments.check_glob));
  const auto begin = Clock::now();
  std::size_t done = 0;
  const std::vector<Cell> cells = calibrate(registry, options, [&](const Cell& cell) {
    ++done;
    if (!cell.left_out.empty()) return;
    std::string ratios;
    for (const Measured& m : cell.levels)
      ratios += fmt::format(" {:g}: {:.3g} [{:.3g}, {:.3g}] {};", m.level, m.ratio(), m.lowest_ratio(),
                            m.highest_ratio(), to_string(judge(m)));
    fmt::print(stderr, "{:4.0f} s {}/{} {} {} p={} n={}:{}\n", seconds_since(begin), done, planned, cell.id,
               cell.statistic, cell.p, cell.entries, ratios);
  });
  const bool fails = any_fails(cells);
  for (const Cell& cell : cells)
    if (cell.fails())
      fmt::print(stderr, "FAIL {} {} at p = {}, {} entries: its p-values are not what they say\n", cell.id,
                 cell.statistic, cell.p, cell.entries);
  fmt::print(stderr, "{} in {:.0f} s\n", fails ? "fail" : "pass", seconds_since(begin));
  return deliver(arguments, calibration_page(cells, options, command_line(arguments), seconds_since(begin)),
                 fails);
}

ExitCode calibrate_power(const Registry& registry, const CalibrateArguments& arguments) {
  PowerOptions options;
  options.check_glob = arguments.check_glob;
  options.seeds = arguments.runs.value_or(arguments.brief ? 100 : 1000);
  options.seed = arguments.seed;
  options.threads = arguments.threads;
  const auto begin = Clock::now();
  const std::vector<PowerCell> cells = measure_power(registry, options, [&](const PowerCell& cell) {
    fmt::print(stderr, "{:4.0f} s {} {}: {}\n", seconds_since(begin), cell.id, cell.statistic,
               cell.left_out.empty()
                   ? fmt::format("found {} of {}{}", cell.found, cell.seeds, cell.fails() ? ", TOO FEW" : "")
                   : cell.left_out);
  });
  if (cells.empty())
    return usage_error(
        fmt::format("no check with a planted defect matches '{}': 'dropcheck list checks' shows their names",
                    arguments.check_glob));
  const std::vector<MatrixRow> matrix = defect_matrix(registry, options);
  const bool fails = std::any_of(cells.begin(), cells.end(), [](const PowerCell& c) { return c.fails(); });
  fmt::print(stderr, "{} in {:.0f} s\n", fails ? "fail" : "pass", seconds_since(begin));
  return deliver(arguments, power_page(cells, matrix, options, command_line(arguments), seconds_since(begin)),
                 fails);
}

}  // namespace

ExitCode calibrate_command(const Registry& registry, CalibrateArguments arguments) {
  Selection lanes;
  lanes.threads = arguments.threads;
  arguments.threads = lanes_of(lanes);
  if (arguments.full) return calibrate_whole(registry, arguments);
  return arguments.power ? calibrate_power(registry, arguments) : calibrate_p_values(registry, arguments);
}

}  // namespace dropcheck::tools
