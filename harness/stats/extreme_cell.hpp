#pragma once
// The one cell of a histogram that is filled most oddly: a spike, or a hole, which a chi-squared sum over
// many cells dilutes and pooling hides. Broken preconditions throw std::domain_error.

#include <cstdint>
#include <optional>
#include <span>

#include "harness/stats/worst_cell.hpp"

namespace dropcheck::stats {

/// Of a multinomial histogram, each cell Bin(total, probabilities[j]), total the sum of `observed`: the cell
/// with the smallest exact two-sided p-value, times the number of cells (Bonferroni; cells may depend on each
/// other). `probabilities`, as many, at least one, lie in [0,1]. Holds for any expected counts. Engine
/// "binomial_exact_bonferroni". `chosen`, a cell named before these counts existed, is tested alone and
/// without correction; engine "binomial_exact".
WorstCell extreme_cell(std::span<const std::uint64_t> observed, std::span<const double> probabilities,
                       std::optional<std::uint64_t> chosen = std::nullopt);

/// Minimum detectable effect, as a difference of probabilities: the largest binomial_min_effect of the cells,
/// each at level alpha / cells. Of a histogram of `total` values.
double extreme_cell_min_effect(std::span<const double> probabilities, std::uint64_t total, double alpha,
                               double beta);

}  // namespace dropcheck::stats
