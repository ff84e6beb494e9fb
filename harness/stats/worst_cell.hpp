#pragma once
// One bad lane among many good ones: a sum over lanes dilutes it, the worst lane shows it.
// Broken preconditions throw std::domain_error.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

struct WorstCell {
  Tail tail;          // corrected for the number of cells
  std::size_t index;  // of the cell, the first one among equals
  std::uint64_t count;
  std::uint64_t trials;
  std::size_t cells;  // that the correction counts
};

/// The cell with the smallest exact two-sided binomial p-value under Bin(trials[j], p), and that p-value
/// times the number of cells (Bonferroni), capped at 1. At least one cell, counts[j] <= trials[j], p in
/// [0,1]. Holds for any trials and any dependence between cells. Engine "binomial_exact_bonferroni".
///
/// `chosen`, a cell named before these counts existed, is tested alone and without correction; engine
/// "binomial_exact".
WorstCell worst_cell(std::span<const std::uint64_t> counts, std::span<const std::uint64_t> trials, double p,
                     std::optional<std::uint64_t> chosen = std::nullopt);

}  // namespace dropcheck::stats
