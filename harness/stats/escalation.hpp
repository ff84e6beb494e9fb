#pragma once
// A suspicious statistic is tested again on fresh data of 8 times, then of 64 times its size. The levels of
// the three stages are fixed in advance so that together they spend no more than the one share of the budget:
// a correct backend fails with probability at most that share, and a defect needs far fewer entries in the
// first stage than one test at the whole share would (group-sequential design: Pocock 1977; here each stage
// has its own data, so the stages are independent and their levels multiply). Broken preconditions throw
// std::domain_error.

#include <cstdint>
#include <functional>

namespace dropcheck::stats {

/// Stages that a hypothesis may go through, and the sizes of the later ones relative to the first.
inline constexpr unsigned kStages = 3;
inline constexpr unsigned kStage2Factor = 8;
inline constexpr unsigned kStage3Factor = 64;

/// 1, kStage2Factor, kStage3Factor for stages 1, 2, 3.
unsigned stage_factor(unsigned stage);

/// p-values at or below which a stage fails, or else calls for the next one.
struct StageLevels {
  double stage1_fail = 0, suspicious1 = 0;
  double stage2_fail = 0, suspicious2 = 0;
  double stage3_fail = 0;
  bool escalates = false;  // false: stage 1 decides alone and the other levels are 0
};

/// Largest share that is split over stages. A larger one (someone asked for a generous false-alarm rate)
/// would make too many correct hypotheses suspicious; stage 1 then has the whole share.
inline constexpr double kLargestEscalatedShare = 1e-4;

/// The levels for a hypothesis with this share a of the budget, in (0,1): a/4 at stage 1, suspicious up to
/// t1; a/(4 t1) at stage 2, suspicious up to t2; a/(2 t1 t2) at stage 3. For a <= 1e-8 t1 = 1e-4 and t2 =
/// 1e-3; from there to kLargestEscalatedShare both grow as sqrt(a), which keeps the last level at 0.05: what
/// a third look confirms must not be a coin toss. Under the null hypothesis P(p <= x) <= x at each stage, on
/// independent data, hence P(fail) <= a/4 + t1 a/(4 t1) + t1 t2 a/(2 t1 t2) = a.
StageLevels stage_levels(double share);

/// Upper bound of P(fail) under the null hypothesis, P(p <= x) <= x at each stage: at most the share.
/// f1 + (s1 - f1) (f2 + (s2 - f2) f3): what fails at once is not suspicious as well.
double false_alarm_bound(const StageLevels& levels);

enum class StageOutcome : std::uint8_t { pass, suspicious, fail };

/// Level at which this stage fails, 1 to kStages. Stages after the first exist only where levels.escalates.
double fail_level(const StageLevels& levels, unsigned stage);

/// What a p-value in [0,1] means at this stage. Stage 3 knows no suspicion.
StageOutcome stage_outcome(const StageLevels& levels, unsigned stage, double p_value);

/// Effect that one test of a sample of size_factor times stage 1's size, at level alpha, catches with
/// probability 1 - beta, as does every larger one; infinity where there is none.
using StageEffect = std::function<double(unsigned size_factor, double alpha, double beta)>;

/// Minimum detectable effect over all stages, beta in (0,1): every effect at least as large fails with
/// probability at least 1 - beta. An upper bound of the smallest such effect: the best of three paths (fail
/// at once; suspicious, then fail; suspicious twice, then fail), each with the largest of its stages' effects
/// and their probabilities to miss adding up to beta. Where a single test's effect falls as size^(-1/2) it is
/// within 0.1 % of the effect that makes stage 1 suspicious with probability 1 - beta. Calls `effect` three
/// to five times.
double escalated_min_effect(const StageLevels& levels, double beta, const StageEffect& effect);

}  // namespace dropcheck::stats
