#pragma once
// Overlap of two masks whose numbers of drops are known. Given both numbers the overlap is hypergeometric
// whatever the drop probability is, so the test needs no p. n is at most 2^53. Broken preconditions throw
// std::domain_error.

#include <cstdint>

#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

/// ln P(X = x), X the number of entries that both of two independent masks of n entries drop, given that they
/// drop a and b: the four cells of the 2x2 table in deviance form (Loader 2000), free of cancellation at any
/// n; relative error of the probability below 1e-12 down to 1e-300. max(0, a + b - n) <= x <= min(a, b), n
/// >= 1.
double hypergeometric_ln_pmf(std::uint64_t n, std::uint64_t a, std::uint64_t b, std::uint64_t x);

/// Doubled p-value min(1, 2 min(P(X <= x), P(X >= x))). Engine "hypergeometric_exact": the sum of the tail's
/// terms, where it is long as an integral of the terms' interpolation (relative error below 1e-10). Where the
/// value leaves the range of doubles "hypergeometric_geometric": the largest term times the geometric series
/// of its ratio to the next, an upper bound because the ratios fall outwards.
Tail hypergeometric_two_sided(std::uint64_t n, std::uint64_t a, std::uint64_t b, std::uint64_t x);

/// log10 of the bound min(1, 2 exp(-b KL(x/b || a/n))) on the doubled p-value, b > 0, 0 < a < n (Hoeffding
/// 1963, Theorem 1 with section 6: sampling without replacement is no worse than with). Looser than the
/// engine's own.
double hypergeometric_hoeffding_log10(std::uint64_t n, std::uint64_t a, std::uint64_t b, std::uint64_t x);

/// Smallest positive correlation of the entries of two masks, both of drop probability p in (0,1), that is
/// rejected at level alpha with probability 1 - beta; a negative one of that size is caught at least as
/// surely where it exists. character_min_effect with one count in hand for the lattice. Infinity where not
/// even equal masks would be.
double overlap_min_effect(std::uint64_t n, double alpha, double beta, double p);

/// Smallest n with overlap_min_effect <= rho in (0,1]; the largest std::uint64_t when 2^53 do not suffice.
std::uint64_t overlap_min_samples(double rho, double alpha, double beta, double p);

}  // namespace dropcheck::stats
