#pragma once
// The gamma law by its mean and variance: sums of many equal positive terms, and whatever is matched to it.
// Broken preconditions throw std::domain_error.

#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

/// Mean and variance, both positive: shape mean^2 / variance, scale variance / mean.
struct GammaLaw {
  double mean, variance;
};

/// Doubled p-value min(1, 2 min(P(X <= x), P(X >= x))), x >= 0. Engine "gamma"; where the value leaves the
/// range of doubles "gamma_chernoff", 2 exp(-shape (r - 1 - ln r)) with r = x / mean (Chernoff 1952). x = 0
/// is an impossible event.
Tail gamma_two_sided(const GammaLaw& law, double x);

/// The x with P(X >= x) = tail, or P(X <= x) = tail; tail in (0,1).
double gamma_upper_quantile(const GammaLaw& law, double tail);
double gamma_lower_quantile(const GammaLaw& law, double tail);

}  // namespace dropcheck::stats
