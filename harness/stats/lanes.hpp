#pragma once
// Do positions that differ modulo a power of two have different drop rates? Vector lanes, warps and the four
// outputs of a counter-based generator all repeat with such periods. Each modulus is tested for what it adds
// to the coarser one, so that one defect raises one alarm. Broken preconditions throw std::domain_error.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

inline constexpr std::size_t kLanes = 1024;

struct LaneTest {
  std::uint64_t modulus;
  Tail tail;
  double statistic;
  double degrees_of_freedom;
};

/// counts1024[j] drops among trials1024[j] elements at positions j modulo 1024; finer moduli fold into
/// coarser ones. For m = 2, 4, ..., 1024, coarsest first:
/// - where p q trials >= kPearsonMinimumVariance in each of the m lanes, the increment SS_m - SS_{m/2} ~
/// chi2_{m/2} of
///   SS_m = sum (c_j - n_j p)^2 / (n_j v), engine "chi_squared"; increments are uncorrelated with each other
///   and with the overall rate, also when the n_j differ;
/// - elsewhere randomised_pit_chi_squared on the m lanes, chi2_m, exact for any trials; it sees the overall
/// rate too. Both spans hold 1024 numbers. Empty unless 0 < p < 1.
std::vector<LaneTest> nested_lanes(std::span<const std::uint64_t> counts1024,
                                   std::span<const std::uint64_t> trials1024, double p, std::uint64_t key);

}  // namespace dropcheck::stats
