#pragma once
// Linear complexity: the length of the shortest linear feedback shift register that makes a sequence of bits.
// Bits that are linear functions of a generator's state have one no longer than the state, however long the
// sequence. Broken preconditions throw std::domain_error.

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>

#include "harness/core/chunk.hpp"
#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

/// More than twice the state of MT19937, the largest linear generator in wide use.
inline constexpr std::uint64_t kComplexityBits = 45000;
/// A sequence costs some ten milliseconds.
inline constexpr std::uint64_t kMostSequences = 4;

/// Linear complexity of the first `size` bits of `words` (Berlekamp 1968, Massey 1969), size <= 64
/// words.size().
std::uint64_t linear_complexity(std::span<const std::uint64_t> words, std::uint64_t size);

/// Doubled exact tail of the complexity of `size` >= 1 fair bits: 2^min(2 size - 2 L, 2 L - 1) sequences have
/// complexity L >= 1, one has 0 (Rueppel 1986), so P(complexity <= L) = (2 4^L + 1) / (3 2^size) for L <=
/// size/2. Engine "linear_complexity_exact".
Tail linear_complexity_tail(std::uint64_t size, std::uint64_t complexity);

/// Complexities of one sequence a block, for the first blocks of a sample.
struct ComplexityCounts {
  std::map<std::uint64_t, std::uint64_t> complexity;  // by block

  /// Looks at the first kComplexityBits of the first chunk of the first kMostSequences blocks; other chunks,
  /// and such as are shorter, are left out.
  void add(const Chunk& chunk);
  void merge(const ComplexityCounts& other);
};

struct ComplexityTest {
  Tail tail;  // corrected for the number of sequences
  std::uint64_t block, complexity;
};

/// The least likely sequence. At least one.
ComplexityTest complexity_test(const ComplexityCounts& counts);

/// Smallest d such that a complexity of size/2 - d or less in one of `sequences` sequences is rejected at
/// level alpha; it always is.
std::uint64_t complexity_min_deficit(std::size_t sequences, double alpha);

}  // namespace dropcheck::stats
