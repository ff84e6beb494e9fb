#pragma once
// Do the drops of equal blocks vary as much as independent drops would? Rows with seeds of their own vary
// more; exact counts per block, stratified and quasi-random masks vary less. Broken preconditions throw
// std::domain_error.

#include <array>
#include <cstdint>

#include "harness/core/chunk.hpp"
#include "harness/core/integer.hpp"
#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

/// Entries of a block, for each of the sizes that are counted.
inline constexpr std::array<std::uint64_t, 3> kDispersionBlocks = {64, 1024, 65536};

/// Exact sums over blocks of one size, c drops in each.
struct BlockSums {
  std::uint64_t blocks = 0;
  Int128 drops = 0;    // sum of c
  Int128 squares = 0;  // sum of c^2

  friend bool operator==(const BlockSums&, const BlockSums&) = default;
};

/// Disjoint blocks inside chunks, counted from the start of each; the incomplete block at its end is left
/// out.
struct DispersionCounts {
  std::array<BlockSums, kDispersionBlocks.size()> sums;  // one for each of kDispersionBlocks

  void add(const Chunk& chunk);
  void merge(const DispersionCounts& other);
};

/// True where dispersion_test holds: at least 256 blocks, and blocks * bits * p q >= 1000, 0 < p < 1. There
/// the tails agree with exact convolutions to 10 % down to 1e-11, p between 0.0001 and 0.999 (tests).
bool dispersion_is_valid(std::uint64_t bits, std::uint64_t blocks, double p);

struct DispersionTest {
  Tail tail;
  double statistic;       // D
  double variance_ratio;  // D / blocks: 1 expected
};

/// Two-sided test of D = sum (c - bits p)^2 / (bits p q), c the drops of independent Bin(bits, p) blocks.
/// E D = blocks and Var D = blocks (2 + (1 - 6 p q) / (bits p q)) exactly; the tail is that of a sum of
/// independent cells with the exact binomial law (saddlepoint_two_sided).
///
/// The square of a binomial count is heavy-tailed: far out, the generating function is ruled by one
/// impossible block. So a law whose cells end where -ln of Chernoff's bound passes L is summed, and the
/// probability 2 blocks exp(-L) that any block lies outside is added: a bound for every L. L grows until the
/// second term no longer matters. Engine "saddlepoint", or "saddlepoint_chernoff" where that is a bound.
/// Requires dispersion_is_valid.
DispersionTest dispersion_test(std::uint64_t bits, const BlockSums& sums, double p);

/// Minimum detectable effect, as variance ratio - 1: every defect that scales the blocks' deviations so that
/// their variance is 1 + effect times the binomial one is rejected at level alpha with probability 1 - beta.
/// By a gamma law with the mean and variance of D, scaled; close to (z_{alpha/2} + z_beta) sqrt(2 / blocks)
/// for many large blocks. Infinity where dispersion_is_valid fails.
double dispersion_min_effect(std::uint64_t bits, std::uint64_t blocks, double alpha, double beta, double p);

/// Smallest number of mask entries, whole blocks of `bits`, with dispersion_min_effect <= effect, effect > 0.
/// The largest std::uint64_t when 2^53 blocks do not suffice.
std::uint64_t dispersion_min_samples(std::uint64_t bits, double effect, double alpha, double beta, double p);

}  // namespace dropcheck::stats
