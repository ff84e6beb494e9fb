#pragma once
// The whole calibration of p-values: every statistic, drop probability, size and level, and the page that
// shows it.

#include <functional>
#include <string>
#include <vector>

#include "harness/core/registry.hpp"
#include "suites/calibration/importance_sampling.hpp"

namespace dropcheck::suites::calibration {

enum class Finding : std::uint8_t {
  holds,
  vague,     // too few hits, or too wide an interval, to say anything
  too_high,  // more false alarms than stated: the whole interval lies above kHighestRatio
  too_low,   // far fewer, from an engine that is no bound: the whole interval lies below kLowestRatio
};
std::string_view to_string(Finding finding);
Finding judge(const Measured& measured);

/// One statistic at one drop probability and size.
struct Cell {
  std::string id, statistic, check;
  double p = 0;
  std::uint64_t entries = 0;
  std::string left_out;  // why nothing was measured; empty otherwise
  std::vector<Measured> levels;

  bool fails() const;
};

struct CalibrationOptions {
  std::string check_glob;  // empty: all
  std::uint64_t runs = 5000;
  bool brief = false;  // for CI: fewer runs, sizes and drop probabilities
  std::uint64_t seed = 1;
  unsigned threads = 1;
};

/// Number of cells that calibrate() would report; 0 where no check matches.
std::size_t planned_cells(const Registry& registry, const CalibrationOptions& options);

/// Measures everything; `progress` is told of each cell when it is done.
std::vector<Cell> calibrate(const Registry& registry, const CalibrationOptions& options,
                            const std::function<void(const Cell&)>& progress);

bool any_fails(const std::vector<Cell>& cells);

/// The page: what is measured, how to read it, the table, what was left out and why. `command` is how it was
/// made.
std::string calibration_page(const std::vector<Cell>& cells, const CalibrationOptions& options,
                             const std::string& command, double seconds);

/// Whether a check's id matches a glob of the shell; an empty one matches everything.
bool is_wanted(const std::string& glob, const std::string& check);

}  // namespace dropcheck::suites::calibration
