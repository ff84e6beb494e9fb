#pragma once
// Weighted sums of the mask, U = sum w_i (b_i - p), b_i independent Bernoulli(p), w_i integers: is the output
// unbiased for this input? Weights may be as uneven as they like, so no limit law is trusted: Bernstein's
// inequality holds for all of them and costs a few per cent in threshold. Broken preconditions throw
// std::domain_error.

#include <cstdint>

#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

/// The sum and all that its bound needs to know of the weights. Units: those of the weights.
struct WeightedSum {
  double deviation;    // U
  double sum_squares;  // sum w_i^2
  double max_abs;      // max |w_i|
  double p;            // drop probability, in [0,1]
};

/// Bound on P(|U'| >= |U|), 2 exp(-t^2 / (2 (v sum w^2 + max|w| max(p,q) t / 3))), t = |U|, v = pq, capped at
/// 1 (Bernstein 1946; Hoeffding 1963, eq. 2.13, for both sides). Engine "bernstein". Never too small, for any
/// weights. When U cannot vary (p in {0,1}, or no weight), any deviation is an impossible event.
Tail bernstein_two_sided(const WeightedSum& s);

/// |U| at which the bound equals alpha in (0,1); `deviation` is not read. The root of a quadratic, exact.
double bernstein_threshold(const WeightedSum& s, double alpha);

/// |E U| that is rejected at level alpha with probability at least 1 - beta: threshold(alpha) +
/// threshold(beta). A guarantee as long as the b_i are independent with variances at most v under the defect
/// too; a defect that raises the rate to p1 < 1/2 needs sqrt(p1 q1 / v) times the second term, a correction
/// of second order.
double bernstein_min_effect(const WeightedSum& s, double alpha, double beta);

/// Smallest number n of weights equal to 1 with bernstein_min_effect <= n * relative_effect: relative_effect
/// in (0,1) is |E U| / sum |w|, which for equal weights is the shift of the drop probability. The largest
/// std::uint64_t when 2^53 do not suffice.
std::uint64_t bernstein_min_samples(double relative_effect, double alpha, double beta, double p);

}  // namespace dropcheck::stats
