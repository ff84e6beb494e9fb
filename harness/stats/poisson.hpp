#pragma once
// The exact Poisson law of rare coincidences. Broken preconditions throw std::domain_error.

#include <cstdint>

#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

/// Doubled p-value min(1, 2 min(P(X <= x), P(X >= x))), mean > 0, x <= 2^53. Engine "poisson_exact"; where
/// the value leaves the range of doubles "poisson_chernoff", 2 exp(-mean h(x / mean - 1)), h(u) = (1+u)
/// ln(1+u) - u (Chernoff 1952).
Tail poisson_two_sided(double mean, std::uint64_t x);

/// Smallest e such that means of (1 + e) times `mean`, and larger ones, are rejected at level alpha with
/// probability 1 - beta: exact, from the critical count.
double poisson_min_effect(double mean, double alpha, double beta);

/// Smallest mean, within one part in 2^20, from which on poisson_min_effect <= effect, effect > 0.
double poisson_min_mean(double effect, double alpha, double beta);

}  // namespace dropcheck::stats
