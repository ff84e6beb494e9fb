#pragma once
// The distance of an empirical distribution function from the uniform one, with exact tails. Limit laws have
// no stated error at 1e-9; the one-sided law is a finite sum of positive terms and has none to state. Broken
// preconditions throw std::domain_error.

#include <cstdint>
#include <span>

#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

struct KsResult {
  Tail tail;
  double statistic;  // sup |F_n - F|, in [0,1]
  std::uint64_t n;   // number of values
};

/// P(D+ >= d) for n >= 1 independent uniforms, D+ = sup (F_n(u) - u): the sum of Birnbaum & Tingey (1951),
/// every term a binomial probability evaluated without cancellation (Loader 2000). Holds for any n and d; 1
/// for d <= 0, 0 for d > 1. Above 2^20 values the sum, smooth there, is taken with a stride: relative error
/// below 1e-9.
double ks_one_sided_exact(std::uint64_t n, double d);

/// log10 of the same, never underflowing; -infinity for d > 1 only. At d = 1, where the sum is 0 but rounded
/// data can arrive, Massart's bound -2 n d^2 / ln 10 (1990).
double ks_log10_one_sided(std::uint64_t n, double d);

/// Two-sided test of uniformity of `sorted_u`, ascending, in [0,1]: p = min(1, 2 P(D+ >= d)), engine
/// "kolmogorov_smirnov_exact". Conservative by the union bound: both sides exceed d together with probability
/// of order exp(-8 n d^2), against exp(-2 n d^2) for one, so at p = 1e-9 the relative excess is below 1e-26,
/// and it is nil for d > 1/2. No values: p = 1.
KsResult ks_two_sided(std::span<const double> sorted_u);

/// The test on randomised PIT values of disjoint blocks of `trials` elements each: histogram[c] is the number
/// of blocks with c drops, p in (0,1). The i-th value of count c uses v = keyed_uniform(derived_key(key, c),
/// i), so the result depends on the histogram and not on the order of blocks. Values are exactly uniform for
/// any trials. Time n log n, memory one double per block of the fullest cell.
KsResult ks_of_block_histogram(std::span<const std::uint64_t> histogram, std::uint64_t trials, double p,
                               std::uint64_t key);

/// Distance sup |F - F_0| of laws that is rejected at level alpha with probability at least 1 - beta, n
/// values: sqrt(ln(2/alpha)/(2n)) + sqrt(ln(1/beta)/(2n)), the bound of Massart (1990) on the critical value
/// plus that of Hoeffding (1963) at the point of largest distance. A bound for every n; infinity where it
/// exceeds 1. For randomised PIT values it is the distance of the discrete laws.
double ks_min_effect(std::uint64_t n, double alpha, double beta);

/// Smallest n with ks_min_effect <= effect, effect in (0,1]. The largest std::uint64_t when more than 2^63
/// would be needed.
std::uint64_t ks_min_samples(double effect, double alpha, double beta);

}  // namespace dropcheck::stats
