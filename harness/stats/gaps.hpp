#pragma once
// Distances between successive drops, or between successive keeps where those are rarer. Independent entries
// make them geometric; a generator that avoids or favours a distance shows here although its rate and its
// pairs may be right. Broken preconditions throw std::domain_error.

#include <cstdint>
#include <optional>
#include <vector>

#include "harness/core/chunk.hpp"
#include "harness/stats/chi_squared.hpp"

namespace dropcheck::stats {

/// Whether gaps are between drops (p <= 1/2) or keeps.
inline bool gaps_between_drops(double p) { return p <= 0.5; }

/// Number of gaps read from the start of a chunk of `bits` entries, r in (0,1) the rate of what ends a gap.
/// It is fixed before any data: gaps that end before a given place are shorter than others, so a chunk read
/// to its end would be biased. floor(bits r - 12 sqrt(bits r (1-r))), but not less than 0 nor more than
/// 49152. A chunk of independent entries holds fewer with probability below exp(-72) for r <= 1/2, where the
/// divergence below the mean exceeds its quadratic term, and exp(-288 r (1-r)) elsewhere (Chernoff 1952).
std::uint64_t planned_gaps(std::uint64_t bits, double r);

/// Cells of the histogram for r in (0,1): gaps of 1 to m, and longer ones, m the smaller of 2^14 and the gap
/// that is exceeded with probability e^-20.
std::size_t gap_cells(double r);

/// P(gap = 1), ..., P(gap = cells - 1), P(gap >= cells): r (1-r)^(g-1). r in (0,1), cells > 0.
std::vector<double> gap_law(double r, std::size_t cells);

/// Histogram of the first planned_gaps of each chunk, planned with the chunk's own p. The first gap of a
/// chunk is counted from its start.
class GapCounts {
 public:
  /// p in (0,1) decides between gaps of drops and of keeps, and on the cells.
  explicit GapCounts(double p);

  void add(const Chunk& chunk);
  void merge(const GapCounts& other);  // of the same p

  /// Rate of what ends a gap, when drops have probability p.
  double rate(double p) const { return drops_ ? p : 1 - p; }
  bool between_drops() const { return drops_; }
  /// Gaps that a chunk failed to hold count as too long.
  const std::vector<std::uint64_t>& histogram() const { return histogram_; }
  std::uint64_t missing() const { return missing_; }  // of those
  std::uint64_t total() const { return total_; }

 private:
  bool drops_;
  std::vector<std::uint64_t> histogram_;
  std::uint64_t missing_ = 0, total_ = 0;
};

/// Expected count from which on a pooled cell may be referred to the chi-squared law.
inline constexpr double kGapMinimumExpected = 1000.0;

/// Degrees of freedom of gap_test for a planned p and number of gaps: pooling depends on expected counts
/// only. Empty where fewer than two cells expect kGapMinimumExpected: the test does not hold.
std::optional<double> gap_degrees_of_freedom(std::uint64_t gaps, double p);

/// Pearson's goodness of fit of the histogram to gap_law at drop probability p in (0,1), pooled to
/// kGapMinimumExpected (pooled_chi_squared). Empty where that leaves fewer than two cells.
std::optional<PooledChiSquared> gap_test(const GapCounts& counts, double p);

/// Cohen's w = sqrt(sum (p'_g - p_g)^2 / p_g) over pooled cells that is rejected at level alpha with
/// probability 1 - beta. Infinity where the test does not hold.
double gap_min_effect(std::uint64_t gaps, double alpha, double beta, double p);

/// Smallest number of gaps with gap_min_effect <= effect, effect > 0, to 1 %. The largest std::uint64_t when
/// 2^52 do not suffice. Entries needed are about that number over min(p, 1-p).
std::uint64_t gap_min_samples(double effect, double alpha, double beta, double p);

}  // namespace dropcheck::stats
