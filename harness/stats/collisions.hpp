#pragma once
// Do words of fair bits repeat as often as chance makes them? A generator with too few different outputs
// repeats more often, one that deals its outputs without putting them back less often. Broken preconditions
// throw std::domain_error.

#include <cstdint>

#include "harness/core/chunk.hpp"
#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

inline constexpr unsigned kCollisionBits = 24;              // of a word
inline constexpr std::uint64_t kMostCollisionWords = 4096;  // of a chunk

struct CollisionCounts {
  std::uint64_t pairs = 0;       // of words of one chunk
  std::uint64_t collisions = 0;  // pairs of equal words
  std::uint64_t raw_chunks = 0;  // of masks at p = 1/2, read as they are

  /// The first 4096 words of 24 fair bits, or as many as there are.
  void add(const Chunk& chunk);
  void merge(const CollisionCounts& other);
  /// pairs / 2^24
  double expected() const;
};

/// Collisions to expect from a sample with these chunks; chunks bring at least the words that this counts,
/// but for a chance of 1e-15 each.
double planned_collisions(const ChunkCounts& chunks, double p);

/// Collisions are Poisson(pairs / 2^24), doubled exact tail. Their mean is that exactly, their variance 1 -
/// 2^-24 of it, since equality of overlapping pairs of uniform words is uncorrelated; triples of equal words
/// raise the third cumulant by a part of 2 * 4096 / 2^24. At least one pair.
Tail collision_test(const CollisionCounts& counts);

}  // namespace dropcheck::stats
