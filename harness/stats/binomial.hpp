#pragma once
// The exact binomial law of a number of drops. The normal approximation is several per cent wrong at the
// levels used here even for 2^24 elements, and the exact tail costs microseconds, so there is no approximate
// path. n is at most 2^53. Broken preconditions throw std::domain_error.

#include <cstdint>

#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

/// P(X <= x) for X ~ Bin(n, p), x <= n, p in [0,1]. Exact (Boost ibeta), relative error below 1e-9 to n =
/// 2^34.
double binomial_lower_tail(std::uint64_t n, std::uint64_t x, double p);

/// P(X >= x) for X ~ Bin(n, p), x <= n, p in [0,1]; as binomial_lower_tail, from the complement, never 1 -
/// cdf.
double binomial_upper_tail(std::uint64_t n, std::uint64_t x, double p);

/// Doubled exact p-value min(1, 2 min(P(X <= x), P(X >= x))) of x drops in n trials, x <= n, p in [0,1].
/// Doubling is what clopper_pearson inverts. Engine "binomial_exact"; where the value leaves the range of
/// doubles "binomial_chernoff", the bound of binomial_chernoff_log10. For p in {0,1} any violation is an
/// impossible event.
Tail binomial_two_sided(std::uint64_t n, std::uint64_t x, double p);

/// log10 of the bound min(1, 2 exp(-n KL(x/n || p))) on the doubled p-value, p in (0,1), n >= 1 (Chernoff
/// 1952; Hoeffding 1963, Theorem 1). Holds for every n; too large by a factor of about z sqrt(2 pi).
double binomial_chernoff_log10(std::uint64_t n, std::uint64_t x, double p);

/// The rate p at which P(X >= x) = tail, n > 0: the one-sided Clopper-Pearson lower bound of x drops at level
/// 1 - tail, 0 for x = 0; tail in (0,1). To the last bit the side on which P(X >= x) <= tail. By bisection of
/// the exact tail: the inverse incomplete beta of Boost gives up from n = 2^39 on.
double binomial_lower_bound(std::uint64_t n, std::uint64_t x, double tail);

/// The rate p at which P(X <= x) = tail, the upper bound; 1 for x = n. As binomial_lower_bound.
double binomial_upper_bound(std::uint64_t n, std::uint64_t x, double tail);

/// Confidence interval for the rate at level 1 - alpha (Clopper & Pearson 1934): the rates p whose
/// binomial_two_sided(n, x, p) exceeds alpha; n > 0. Coverage is at least 1 - alpha for every n and rate.
Interval clopper_pearson(std::uint64_t n, std::uint64_t x, double alpha);

/// Minimum detectable effect, as a difference of probabilities: the smallest D such that every true rate at
/// least D away from p, on either side and inside [0,1], is rejected at level alpha with probability at least
/// 1 - beta. Exact for this n (critical counts of the same test, then the rate at which they are reached with
/// that probability); close to (z_{alpha/2} + z_beta) sqrt(p q / n). Infinity when no rate on either side is
/// detectable.
double binomial_min_effect(std::uint64_t n, double alpha, double beta, double p);

/// The number of trials from which on binomial_min_effect stays at or below `effect`, in (0,1). Power is
/// saw-toothed in n with teeth one count high, 1/n as a rate, so that much is kept in hand. The largest
/// std::uint64_t when 2^53 trials do not suffice.
std::uint64_t binomial_min_samples(double effect, double alpha, double beta, double p);

}  // namespace dropcheck::stats
