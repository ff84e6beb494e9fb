#pragma once
// What is calibrated: for each statistic the sample that it reads and the tilted law, or the exact law, that
// makes its tail visible.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "suites/calibration/check_subject.hpp"
#include "suites/calibration/exact_counts.hpp"
#include "suites/calibration/tilts.hpp"

namespace dropcheck::suites::calibration {

/// Levels at which tails are measured.
inline const std::vector<double> kLevels = {1e-3, 1e-6, 1e-9};

struct Target {
  std::string id;  // of the statistic, e.g. "S6"
  std::string check;
  std::string statistic;              // Statistic::name
  std::optional<std::uint64_t> cell;  // of a maximum: this cell alone, as later stages test it
  std::function<SampleInfo(double p, std::uint64_t entries)> sample;
  /// Exactly one of these.
  std::function<std::unique_ptr<Tilt>(const SampleInfo&)> tilt;
  std::function<CountLaw(const SampleInfo&)> law;
  std::vector<std::uint64_t> sizes = {1u << 12, 1u << 16, 1u << 20};  // entries
  std::vector<double> levels = kLevels;
  std::vector<double> rates = {};  // drop probabilities; empty: the usual ones
  double runs = 1;                 // times the usual number
  /// Only what satisfies this counts as rejected, `share` of the rate: where the tilt shows one side only.
  std::function<bool(const Statistic&)> side = {};
  double share = 1;
  std::function<std::vector<std::int8_t>(std::uint64_t entries)> integers = {};  // input, where it matters
};

const std::vector<Target>& targets();

/// Statistics without a row of their own, and why.
struct NotMeasured {
  std::string id, check, reason;
};
const std::vector<NotMeasured>& not_measured();

}  // namespace dropcheck::suites::calibration
