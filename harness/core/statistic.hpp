#pragma once
// One test of one null hypothesis, as it is reported: a p-value never travels without its integers, the
// effect and what would have been detected.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/core/integer.hpp"

namespace dropcheck {

struct Effect {
  double value = 0;
  std::string unit;  // e.g. "drop probability"
  std::optional<double> lower,
      upper;  // interval at the deciding level; it excludes the null exactly when the test rejects
};

struct MinimumDetectableEffect {
  double value = 0;  // in the effect's unit
  std::string unit;
  double power = 0;  // probability of catching an effect of that size
};

struct Statistic {
  std::string id;        // of the catalogue, e.g. "S1"
  unsigned version = 1;  // raised when integers, null law or engine change
  std::string name;      // what it measures, e.g. "drop rate" or "lanes mod 32"; unique in its check
  std::optional<std::uint64_t> cell;  // where it is the worst of many cells: which one
  std::vector<std::pair<std::string, std::vector<Int128>>> counts;  // the sufficient integers
  std::vector<std::pair<std::string, double>>
      null_parameters;   // from these and the counts anyone recomputes the p-value
  std::string null_law;  // e.g. "Binomial(n, p)"
  std::string engine;
  double value = 0;  // of the test statistic, where it has one beyond the counts
  double p_value = 1;
  double log10_p = 0;
  double alpha = 0;  // share of the budget that decides
  std::optional<Effect> effect;
  std::optional<MinimumDetectableEffect> minimum_detectable_effect;

  bool rejects() const { return p_value <= alpha; }
};

}  // namespace dropcheck
