#pragma once
// How often a p-value falls to its level or below: the mean, over masks of a tilted law, of the probability
// ratio P/Q where it does.

#include <cstdint>
#include <string>
#include <vector>

#include "suites/calibration/p_value_subject.hpp"
#include "suites/calibration/tilts.hpp"

namespace dropcheck::suites::calibration {

/// Probability that the interval of a measured rate misses the true one.
inline constexpr double kIntervalError = 1e-6;

/// True rate over nominal one from which on, and below which, a p-value is wrong.
inline constexpr double kHighestRatio = 1.1;
inline constexpr double kLowestRatio = 0.2;

/// Hits below which an interval from batches says nothing.
inline constexpr std::uint64_t kFewestHits = 100;

struct Measured {
  double level = 0;
  double share = 1;  // of the level, where only one side of the test is looked at
  double rate = 0;   // estimate of P(p-value <= level)
  double lower = 0, upper = 0;
  std::uint64_t hits = 0;  // masks with p-value <= level
  std::uint64_t runs = 0;
  bool exact = false;   // summed over all outcomes, not simulated
  bool tilted = false;  // simulated under another law than the null one
  std::string engine;   // of the p-values that were hits, joined by " / " where there are several

  /// True rate over nominal one: 1 for a perfect p-value.
  double ratio() const { return rate / (level * share); }
  double lowest_ratio() const { return lower / (level * share); }
  double highest_ratio() const { return upper / (level * share); }
  /// Few hits, or an interval wider than a factor of 10: no statement, unless it is clear already that the
  /// rate is too high or, where nothing was tilted, too low.
  bool is_vague() const;
};

struct Sampling {
  std::uint64_t runs = 5000;
  std::uint64_t seed = 1;
  unsigned threads = 1;
};

/// Measures every level with the same masks. Runs are cut into 50 batches with seeds of their own, so the
/// result does not depend on `threads`.
///
/// The interval is Student's t of the 50 batch means at 1 - kIntervalError: means of 100 weights are close to
/// normal where the tilt suits the event, and the number of hits tells where it does not. Under the null law
/// (NoTilt) hits are Binomial and the interval is Clopper and Pearson's, exact.
std::vector<Measured> measure(const PValueUnderTest& test, const Tilt& tilt,
                              const std::vector<double>& levels, const Sampling& sampling);

}  // namespace dropcheck::suites::calibration
