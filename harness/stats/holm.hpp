#pragma once
// Which hypotheses are rejected once a run has failed. The verdict itself is Bonferroni's; after a first
// rejection the budget of what is rejected may be handed on to the rest (S. Holm, "A simple sequentially
// rejective multiple test procedure", Scand. J. Statist. 6, 1979, section 5: unequal weights).

#include <cstddef>
#include <span>
#include <vector>

namespace dropcheck::stats {

struct HolmHypothesis {
  double log10_p;  // at most 0; -infinity for what the null hypothesis excludes
  double share;    // level at which the verdict rejects it; 0: it is never rejected
};

/// Indices, ascending, of the rejected hypotheses. The probability of rejecting any true one is at most
/// alpha, in (0,1), under any dependence. Shares add up to at most alpha; what they leave over stays unspent,
/// so the result is empty exactly when no p-value is at or below its own share. Throws std::domain_error on a
/// NaN, a negative share, or shares that exceed alpha by more than rounding.
std::vector<std::size_t> holm_rejections(std::span<const HolmHypothesis> hypotheses, double alpha);

}  // namespace dropcheck::stats
