#pragma once
// Correlation of pairs of mask entries from four integers: how often both, the left and the right one is
// dropped. The plain count of equal entries has a law that depends on p in a way that is easily got wrong;
// the centred product (d - p)(d' - p) has mean 0 and variance v^2 for every p, and products of different
// pairs are uncorrelated even where pairs share an entry.

#include <cstdint>

#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

/// Counts over pairs (left, right) of entries. Additive.
struct PairProducts {
  std::uint64_t n11 = 0;  // pairs of which both are dropped
  std::uint64_t n1L = 0;  // drops among the left members
  std::uint64_t n1R = 0;  // drops among the right members
  std::uint64_t n = 0;    // pairs

  PairProducts& operator+=(const PairProducts& other);
  bool operator==(const PairProducts&) const = default;
};

/// Sum of (d - p)(d' - p) over all pairs: n11 - p (n1L + n1R) + n p^2, taken as (n11 - p n1L) - p (n1R - n p)
/// with each bracket rounded once, so nothing cancels. 0 <= p <= 1, counts that are possible. Mean 0,
/// variance n v^2.
double centred_sum(const PairProducts& pairs, double p);

/// The centred sum over n v: the correlation of left and right, 0 < p < 1, n > 0.
double pair_correlation(const PairProducts& pairs, double p);

/// Pairs whose members agree. At p = 1/2 the signs of the products are independent and fair wherever no
/// closed chain of pairs exists (any single lag, any disjoint pairs), so this is Binomial(n, 1/2).
std::uint64_t agreements(const PairProducts& pairs);

}  // namespace dropcheck::stats
