#pragma once
// Calibration of the whole: how often complete runs of a correct backend alarm, when every statistic alarms
// from w a on, w being the share of its hypothesis in the plan and a an inflated level. Bonferroni's
// inequality promises that at most a of the runs do, whatever depends on what; runs have seeds of their own,
// so the number of those that alarm is at most binomial.

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/core/registry.hpp"
#include "harness/run/plan.hpp"

namespace dropcheck::tools {

/// The first is so high that a few hundred runs show laws that are far too careful.
inline constexpr std::array kAlarmLevels = {0.5, 0.05, 0.01, 0.001};
using LevelCounts = std::array<std::uint64_t, kAlarmLevels.size()>;

/// Probability that counts of a correct engine lie beyond their limits: two-sided for the runs, and once more
/// over all checks together.
inline constexpr double kWholeError = 1e-6;
/// Lower limits below this many runs say nothing.
inline constexpr double kFewestForLow = 10;

/// The plan that is run over and over, and what each hypothesis may spend of a level.
struct WholePlan {
  Plan plan;
  std::map<std::string, double> share;         // of each hypothesis of a check
  std::map<std::string, double> whole_shares;  // of all hypotheses of a check together
};
/// Errors are usage errors. `seed` is what the seeds of all runs derive from.
Expected<WholePlan> whole_plan(const Registry& registry, const std::string& profile, std::uint64_t seed);

/// What one engine of a check did.
struct LawCounts {
  std::uint64_t tests = 0;
  LevelCounts alarms{};
};

/// Sums over runs.
struct RunCounts {
  std::uint64_t runs = 0;
  double seconds = 0;                                             // of processor time
  LevelCounts alarmed{};                                          // runs with at least one alarm
  std::map<std::string, LevelCounts> by_check;                    // runs in which this check alarms
  std::map<std::pair<std::string, std::string>, LawCounts> laws;  // by check and engine
  std::uint64_t failures = 0;       // results that are neither passed nor unsupported, at the true level
  std::vector<std::string> failed;  // the first of them, in words

  void add(const RunCounts& more);
};

/// Failures of which the words are kept.
inline constexpr std::size_t kMostFailed = 20;

/// Runs `first` to `first + count - 1` of the plan with seeds that derive from its own and their numbers;
/// nothing is escalated. Absent when it was stopped.
std::optional<RunCounts> measure_runs(const Registry& registry, const WholePlan& whole,
                                      const std::string& spec, const Capabilities& capabilities,
                                      std::uint64_t first, std::uint64_t count, std::atomic<bool>& stop);

/// The smallest k with P(X > k) <= tail, X ~ Bin(runs, rate).
std::uint64_t most_of(std::uint64_t runs, double rate, double tail);

struct LevelFinding {
  double level = 0;
  std::uint64_t alarmed = 0, most = 0;  // runs
  double least = 0;                     // half of what the engines that are no bounds are to spend
  bool has_least = false;               // whether that many runs say anything
  bool is_too_many() const { return alarmed > most; }
  bool is_too_few() const { return has_least && static_cast<double>(alarmed) < least; }
};
struct CheckFinding {
  std::string check;
  double level = 0;
  std::uint64_t alarmed = 0, most = 0;  // runs
};
/// One engine of a check at 5 %, against its share.
struct LawFinding {
  std::string check, engine;
  std::uint64_t tests = 0, alarms = 0;
  double expected = 0;  // alarms, were it neither careful nor optimistic
  double tail = 1;      // P(as many alarms or more), were tests independent
};
struct WholeFindings {
  double exact_share = 0;  // of a level, spent on engines that are no bounds
  std::vector<LevelFinding> levels;
  std::vector<CheckFinding> too_many;  // checks that alarm more often than their share allows
  std::vector<LawFinding> laws;        // by tail
  bool fails = false;
};
WholeFindings findings_of(const WholePlan& whole, const RunCounts& counts);

}  // namespace dropcheck::tools
