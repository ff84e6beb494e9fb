#pragma once
// The sum of centred products a_t a_{t+k} of entries one lag apart, a = d - p, over whole chunks. Pairs share
// entries, so the sum is no sum of independent terms; but the entries t, t + k, t + 2k, ... of a chunk form a
// chain, chains are independent, and the law of one chain is a power of a 2x2 matrix. Broken preconditions
// throw std::domain_error.

#include <cstdint>
#include <span>

#include "harness/stats/pair_products.hpp"
#include "harness/stats/saddlepoint.hpp"
#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

/// How many chunks of a size were read.
struct ChunkKind {
  std::uint64_t size;
  std::uint64_t count;
};

/// Pairs of entries `lag` >= 1 apart inside the chunks.
std::uint64_t lag_pairs(std::span<const ChunkKind> chunks, std::uint64_t lag);

/// The exact cumulant generating function of the sum. A chunk of L entries has L mod k chains of ceil(L/k)
/// and k
/// - L mod k of floor(L/k) entries; one of m has K = ln((q,p) M^(m-1) (1,1)'), M = [[q e^{theta p^2}, p
/// e^{-theta p q}], [q e^{-theta p q}, p e^{theta q^2}]], by its two eigenvalues. Derivatives are exact;
/// accurate near 0 and without overflow for any theta. 0 < p < 1, lag >= 1.
CumulantFunction lag_cumulants(std::span<const ChunkKind> chunks, std::uint64_t lag, double p);

/// Doubled tail of the centred sum of `pairs`, pairs.n = lag_pairs(chunks, lag) > 0: at p = 1/2 exact (engine
/// "binomial_exact"), else engine "saddlepoint". Throws where products_are_valid(pairs.n, p) is false.
Tail lag_two_sided(const PairProducts& pairs, std::span<const ChunkKind> chunks, std::uint64_t lag, double p);

/// Smallest positive correlation of entries one lag apart that a test of n pairs at level alpha catches with
/// probability 1 - beta; a negative one of that size is caught at least as surely, where it exists. At p =
/// 1/2 the binomial's exact figure, else character_min_effect with skewness (1-2p)^2 / (v sqrt(n)) (cross
/// terms vanish, so it is that of independent pairs). Infinity where not even equal entries would be caught.
double lag_min_effect(std::uint64_t n, double alpha, double beta, double p);

/// Smallest number of pairs from which on lag_min_effect stays at or below rho in (0,1]; the largest
/// std::uint64_t when 2^53 do not suffice.
std::uint64_t lag_min_samples(double rho, double alpha, double beta, double p);

}  // namespace dropcheck::stats
