#pragma once
// The sum of centred products over disjoint pairs of independent entries: overlaps of two masks, pairs across
// a seam. Broken preconditions throw std::domain_error.

#include <cstdint>

#include "harness/stats/pair_products.hpp"
#include "harness/stats/saddlepoint.hpp"
#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

/// K(theta) = n ln(q^2 e^{theta p^2} + 2 p q e^{-theta p q} + p^2 e^{theta q^2}) with exact derivatives, 0 <
/// p < 1; accurate near 0 and without overflow for any theta.
CumulantFunction overlap_cumulants(std::uint64_t n, double p);

/// From all pairs different to all pairs of the rarer kind: [-n p q, n max(p,q)^2].
Support product_support(std::uint64_t n, double p);

/// Where Lugannani-Rice is trusted for sums of n centred products, disjoint or of one lag: exactly at p =
/// 1/2, else where steps of n11 are blurred by the drops of both sides (n min(p,q)^3 >= 1/4) or fine (n v^2
/// >= 2048), and n v^2 >= 16. Measured against exact convolutions at 1e-3 to 1e-12.
bool products_are_valid(std::uint64_t n, double p);

/// Doubled saddlepoint tail of centred_sum with the given law, taken half a lattice step inwards: products of
/// bits of a rational rate a/b lie on a lattice of step 1/b <= min(p,q), p-values count the whole of the step
/// seen, and the formula only half of it. Where the lattice is finer the p-value is larger than it need be,
/// by a factor of about 1 + |z| / (2 max(p,q) n^(1/2)).
Tail product_tail(const CumulantFunction& cumulants, const PairProducts& pairs, double p);

/// Doubled tail of centred_sum over disjoint pairs, 0 < p < 1, n > 0: at p = 1/2 exact (agreements are
/// Binomial(n, 1/2), engine "binomial_exact"), else engine "saddlepoint". Throws where products_are_valid is
/// false.
Tail overlap_two_sided(const PairProducts& pairs, double p);

}  // namespace dropcheck::stats
