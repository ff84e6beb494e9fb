#pragma once
// Tails of sums whose cumulant generating function K is known in closed form. A normal tail is an order of
// magnitude wrong at the levels used here; the saddlepoint approximation keeps its relative error far out.
// Broken preconditions throw std::domain_error.

#include <cstdint>
#include <functional>

#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

/// K and its first two derivatives at one theta.
struct Cumulants {
  double k, k1, k2;
};

/// Must be smooth and convex around 0 with K(0) = K'(0) = 0, and not finite where K does not exist; accurate
/// near 0 in the relative sense, which takes expm1 and log1p.
using CumulantFunction = std::function<Cumulants(double theta)>;

/// Smallest and largest value of the sum: the open range of K'.
struct Support {
  double lower, upper;
};

/// Doubled tail min(1, 2 P(S >= s)) for s >= 0, min(1, 2 P(S <= s)) for s < 0, of a sum S with mean 0.
/// Engine "saddlepoint": Lugannani & Rice (1980), the form without a lattice correction; the sum's lattice,
/// if any, must be fine against K''^(1/2). Engine "saddlepoint_chernoff": the bound 2 exp(K(theta) - theta s)
/// (Chernoff 1952), which every theta of the sign of s proves, where the value leaves the range of doubles,
/// or s lies at an end of the support, or Lugannani-Rice leaves (0, bound]. No validity limit of its own:
/// whoever knows the sum states from which size on it holds.
Tail saddlepoint_two_sided(const CumulantFunction& cumulants, const Support& support, double s);

/// The positive s with P(S >= s) = tail in (0, 1/2) by the same approximation, or the upper end of the
/// support where no s has so small a tail.
double saddlepoint_upper_quantile(const CumulantFunction& cumulants, const Support& support, double tail);

}  // namespace dropcheck::stats
