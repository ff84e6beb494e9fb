#pragma once
// Counts turned into exactly uniform numbers. A count is discrete, so its distribution function is not
// uniform; spreading each count over its own step with a keyed uniform makes it so for every n and p, and
// sums of squares of the resulting normals are exactly chi-squared where Pearson's statistic is far off. The
// uniforms are a function of a key, so a verdict is reproducible. Broken preconditions throw
// std::domain_error.

#include <cstdint>
#include <span>

#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

/// A 64-bit value from a key and an index by two SplitMix64 finalisers (Steele, Lea & Flood 2014; Vigna's
/// constants): keys for parts of one test. Identical on every machine.
std::uint64_t derived_key(std::uint64_t key, std::uint64_t index);

/// A uniform number strictly inside (0,1), a multiple of 2^-53, from derived_key. Identical on every machine.
double keyed_uniform(std::uint64_t key, std::uint64_t index);

/// Where a count lies in its law; the three numbers sum to 1.
struct PitStep {
  double below;  // P(X < count)
  double at;     // P(X = count)
  double above;  // P(X > count)
};

/// The step of a Bin(trials, p) count, count <= trials, p in (0,1). Exact; each number to its own relative
/// precision.
PitStep randomised_pit_step(std::uint64_t trials, std::uint64_t count, double p);

/// Randomised probability integral transform F(count - 1) + v f(count) of a Bin(trials, p) count, count <=
/// trials, p in (0,1), v in (0,1): uniform under the null hypothesis when v is (Ferguson 1967; Smith 1985).
/// Near 1 it has the spacing of doubles only: for tails use randomised_pit_z.
double randomised_pit_u(std::uint64_t trials, std::uint64_t count, double p, double v);

/// The same as a standard normal quantile, from whichever tail is the smaller, so both ends keep full
/// precision. Where a tail leaves the range of doubles (|z| > 37) a value proven not to exceed the true |z|
/// is returned.
double randomised_pit_z(std::uint64_t trials, std::uint64_t count, double p, double v);

/// Sum of squares of randomised normals and its law.
struct PitChiSquared {
  Tail tail;
  double statistic;
  double degrees_of_freedom;  // number of cells
};

/// Independent cells counts[j] ~ Bin(trials[j], p), p in (0,1), at least one: sum of z_j^2 ~ chi2_m exactly,
/// for any trials, 0 included; v_j = keyed_uniform(key, j). Engine "randomised_pit_chi_squared".
PitChiSquared randomised_pit_chi_squared(std::span<const std::uint64_t> counts,
                                         std::span<const std::uint64_t> trials, double p, std::uint64_t key);

}  // namespace dropcheck::stats
