#pragma once
// Fair bits out of a mask of any drop probability, for the classical tests of random bits: of two successive
// entries that differ the first is dropped with probability 1/2 exactly (von Neumann 1951). Masks at p = 1/2
// are fair already and are taken as they are, since choosing among them would hide linear dependence.

#include <cstdint>
#include <vector>

#include "harness/core/chunk.hpp"

namespace dropcheck::stats {

struct FairBits {
  std::vector<std::uint64_t> words;  // least significant bit first; 0 past `size`
  std::uint64_t size = 0;

  /// `count` bits from `first` on, count <= 64, first + count <= size.
  std::uint64_t at(std::uint64_t first, unsigned count) const;
};

/// Independent fair bits under the null hypothesis that entries are dropped with probability chunk.p. A
/// number of bits that depends on the mask only through which pairs differ, never on which of the two is
/// dropped.
FairBits fair_bits(const Chunk& chunk);

/// Whether masks of this drop probability are taken as they are.
inline bool is_fair(double p) { return p == 0.5; }

/// Bits that a chunk of this size brings but for a chance of 1e-15: the mean less 8 standard deviations.
std::uint64_t planned_fair_bits(std::uint64_t chunk_size, double p);

}  // namespace dropcheck::stats
