#pragma once
// Whether statistics find what they say they find: a planted defect of exactly the minimum detectable effect
// of each, and named defects against all of them.

#include <functional>
#include <string>
#include <vector>

#include "harness/core/registry.hpp"
#include "suites/calibration/bit_source.hpp"
#include "suites/calibration/check_subject.hpp"

namespace dropcheck::suites::calibration {

/// A family of defects, one for each statistic, whose strength is in the unit of its effect.
struct PowerTarget {
  std::string id, check, statistic;
  std::string defect;  // in words, for the page
  SampleInfo sample;
  /// A mask of drop probability p with the defect at this strength; random numbers are fresh for each seed.
  std::function<void(double p, double effect, BitSource& source, MaskBits& mask)> plant;
  std::vector<std::int8_t> integers = {};
};
std::vector<PowerTarget> power_targets();

struct PowerCell {
  std::string id, check, statistic, defect, unit;
  double p = 0;
  std::uint64_t entries = 0;
  double effect = 0;  // the minimum detectable one
  std::uint64_t seeds = 0, found = 0;
  std::string left_out;  // why it could not be run; empty otherwise

  /// The number found is inconsistent, at kPowerError, with a probability of kLeastPower or more.
  bool fails() const;
};
inline constexpr double kLeastPower = 0.99;
inline constexpr double kPowerError = 1e-6;
inline constexpr double kPowerLevel = 1e-9;  // level of the statistics

struct PowerOptions {
  std::string check_glob;
  std::uint64_t seeds = 1000;
  std::uint64_t seed = 1;
  unsigned threads = 1;
};
std::vector<PowerCell> measure_power(const Registry& registry, const PowerOptions& options,
                                     const std::function<void(const PowerCell&)>& progress);

/// One row a check: for each named defect the most significant log10(p-value / kPowerLevel) of its
/// statistics, 0 where none rejects. Masks of 2^22 entries, p = 0.1, in 4 calls.
struct MatrixRow {
  std::string ids, check;
  std::vector<double> excess;
};
std::vector<MatrixRow> defect_matrix(const Registry& registry, const PowerOptions& options);

std::string power_page(const std::vector<PowerCell>& cells, const std::vector<MatrixRow>& matrix,
                       const PowerOptions& options, const std::string& command, double seconds);

}  // namespace dropcheck::suites::calibration
