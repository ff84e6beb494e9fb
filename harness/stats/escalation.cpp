#include "harness/stats/escalation.hpp"

#include <algorithm>
#include <cmath>

#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

constexpr double kSuspicious1 = 1e-4;
constexpr double kSuspicious2 = 1e-3;
constexpr double kLargestLastLevel = 0.05;
// The share from which on the two limits of suspicion must grow for the last level to stay there.
constexpr double kGrowthFrom = 2 * kSuspicious1 * kSuspicious2 * kLargestLastLevel;
// Rounding may lift each product of two levels by some 2^-52 of itself; this takes it back.
constexpr double kRoundingReserve = 1 - 0x1p-50;

// Stage 1 decides which effects are seen, for the later samples are so much larger. It gets nearly all of the
// probability to miss, and the others what they hardly notice.
constexpr double kLaterMiss = 0.01;
constexpr double kFirstMiss = 1 - 2 * kLaterMiss;

void require_stage(const StageLevels& levels, unsigned stage) {
  require(stage >= 1 && stage <= kStages && (stage == 1 || levels.escalates), "a stage that exists");
}

}  // namespace

unsigned stage_factor(unsigned stage) {
  require(stage >= 1 && stage <= kStages, "stage 1 to 3");
  return stage == 1 ? 1 : stage == 2 ? kStage2Factor : kStage3Factor;
}

StageLevels stage_levels(double share) {
  require(share > 0.0 && share < 1.0, "0 < share < 1");
  StageLevels levels;
  if (share > kLargestEscalatedShare) {
    levels.stage1_fail = share;
    return levels;
  }
  const double growth = std::sqrt(std::max(1.0, share / kGrowthFrom));
  levels.escalates = true;
  levels.suspicious1 = kSuspicious1 * growth;
  levels.suspicious2 = kSuspicious2 * growth;
  levels.stage1_fail = share / 4;
  levels.stage2_fail = kRoundingReserve * (share / (4 * levels.suspicious1));
  levels.stage3_fail = kRoundingReserve * (share / (2 * levels.suspicious1 * levels.suspicious2));
  return levels;
}

double false_alarm_bound(const StageLevels& levels) {
  if (!levels.escalates) return levels.stage1_fail;
  const double from_stage2 =
      levels.stage2_fail + (levels.suspicious2 - levels.stage2_fail) * levels.stage3_fail;
  return levels.stage1_fail + (levels.suspicious1 - levels.stage1_fail) * from_stage2;
}

double fail_level(const StageLevels& levels, unsigned stage) {
  require_stage(levels, stage);
  return stage == 1 ? levels.stage1_fail : stage == 2 ? levels.stage2_fail : levels.stage3_fail;
}

StageOutcome stage_outcome(const StageLevels& levels, unsigned stage, double p_value) {
  require(p_value >= 0.0 && p_value <= 1.0, "0 <= p-value <= 1");
  if (p_value <= fail_level(levels, stage)) return StageOutcome::fail;
  const double suspicious = stage == 1 ? levels.suspicious1 : stage == 2 ? levels.suspicious2 : 0.0;
  return p_value <= suspicious ? StageOutcome::suspicious : StageOutcome::pass;
}

double escalated_min_effect(const StageLevels& levels, double beta, const StageEffect& effect) {
  require(beta > 0.0 && beta < 1.0, "0 < beta < 1");
  if (!levels.escalates) return effect(1, levels.stage1_fail, beta);
  // A stage that is suspicious or fails goes on or is decided already: either way nothing is missed.
  const double noticed = effect(1, levels.suspicious1, kFirstMiss * beta);
  const double confirmed = std::max(effect(kStage2Factor, levels.suspicious2, kLaterMiss * beta),
                                    effect(kStage3Factor, levels.stage3_fail, kLaterMiss * beta));
  if (confirmed <= noticed) return noticed;  // the other paths have nothing to gain
  const double in_two = std::max(noticed, effect(kStage2Factor, levels.stage2_fail, kLaterMiss * beta));
  const double at_once = effect(1, levels.stage1_fail, beta);
  return std::min({confirmed, in_two, at_once});
}

}  // namespace dropcheck::stats
