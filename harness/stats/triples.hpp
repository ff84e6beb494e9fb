#pragma once
// Three entries that no two of give away: the exclusive or of two earlier outputs is independent of each of
// them. All triples (t, t+i, t+j), 0 < i < j <= 32, of circular stretches. Broken preconditions throw
// std::domain_error.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "harness/core/chunk.hpp"
#include "harness/stats/kernels/triple_products.hpp"
#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

using kernels::kTripleCount;
using kernels::kTripleReach;

/// Offsets of the second and third entry of a cell, 0 <= cell < kTripleCount.
struct TripleOffsets {
  unsigned i, j;
};
TripleOffsets triple_offsets(std::uint64_t cell);

/// Bits read at the beginning of each chunk, a power of two: 496 sums an entry are dear, so large samples are
/// read in part, from 2^20 bits a chunk for up to 4 chunks down to 2^16. The number of all bits read still
/// grows with at least the root of the sample's.
std::uint64_t triple_bits(const ChunkCounts& chunks);

/// Entries of a sample with these chunks that TripleCounts reads.
std::uint64_t planned_triple_entries(const ChunkCounts& chunks);

class TripleCounts {
 public:
  explicit TripleCounts(std::uint64_t bits_of_chunk) : bits_(bits_of_chunk) {}
  /// Reads the largest power of two of bits that `bits_of_chunk` and the chunk hold, if it is 128 or more: at
  /// powers of two the exclusive ors of all circular triples of fair bits are independent, since x^i + x^j +
  /// 1 is odd at 1 and so has no factor in common with x^n - 1 = (x - 1)^n.
  void add(const Chunk& chunk);
  void merge(const TripleCounts& other);

  std::uint64_t entries() const { return entries_; }
  std::uint64_t drops() const { return pairs_[0]; }
  /// Windows with the entries 0 and lag dropped, 1 <= lag <= 32.
  std::uint64_t both(unsigned lag) const { return pairs_[lag]; }
  std::uint64_t all_three(std::uint64_t cell) const { return triples_[cell]; }

 private:
  std::uint64_t bits_;
  std::uint64_t entries_ = 0;
  std::array<std::uint64_t, kTripleReach + 1> pairs_{};  // [0]: drops
  std::array<std::uint64_t, kTripleCount> triples_{};
};

/// Whether the test can decide at level alpha, before the correction for 496 cells: always for p = 1/2;
/// elsewhere petrov_is_valid at skewness ((1-2p) / sqrt(pq))^3 / sqrt(entries) and the fourth cumulant. p in
/// (0,1).
bool triples_are_valid(std::uint64_t entries, double p, double alpha);

struct TripleTest {
  Tail tail;                 // corrected for 496 cells, unless one was chosen
  std::uint64_t cell;        // the worst
  double z;                  // standardised sum
  double correlation;        // z / sqrt(entries): E of the product of the three standardised entries
  double skewness, quartic;  // of z, as petrov_two_sided takes them; without use at p = 1/2
};

/// The worst cell. z = sum of (d_t - p) (d_(t+i) - p) (d_(t+j) - p) / sqrt(n p^3 q^3) has mean 0, variance 1
/// and third moment ((1-2p) / sqrt(pq))^3 / sqrt(n), exactly; its tail is Petrov's with both corrections. For
/// p = 1/2 the number of triples with an odd number of drops is Binomial(n, 1/2), exactly. Times 496
/// (Bonferroni). `chosen`, a cell named before these counts existed, is tested alone and without correction.
/// At least one entry.
TripleTest triple_test(const TripleCounts& counts, double p,
                       std::optional<std::uint64_t> chosen = std::nullopt);

/// Correlation of one triple that is rejected with probability 1 - beta; infinity for no entries.
double triple_min_effect(std::uint64_t entries, double alpha, double beta, double p);

/// Smallest number of entries with triple_min_effect <= effect, effect > 0.
std::uint64_t triple_min_samples(double effect, double alpha, double beta, double p);

}  // namespace dropcheck::stats
