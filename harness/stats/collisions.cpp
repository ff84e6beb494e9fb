#include "harness/stats/collisions.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "harness/stats/fair_bits.hpp"
#include "harness/stats/poisson.hpp"
#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

std::uint64_t pairs_of(std::uint64_t fair_bits_of_chunk) {
  const std::uint64_t words = std::min(fair_bits_of_chunk / kCollisionBits, kMostCollisionWords);
  return words == 0 ? 0 : words * (words - 1) / 2;
}

}  // namespace

void CollisionCounts::add(const Chunk& chunk) {
  const FairBits bits = fair_bits(chunk);
  if (is_fair(chunk.p)) ++raw_chunks;
  const std::uint64_t count = std::min(bits.size / kCollisionBits, kMostCollisionWords);
  std::vector<std::uint32_t> words(count);
  for (std::uint64_t i = 0; i < count; ++i)
    words[i] = static_cast<std::uint32_t>(bits.at(i * kCollisionBits, kCollisionBits));
  std::sort(words.begin(), words.end());
  for (std::size_t i = 0; i < words.size();) {
    std::size_t end = i;
    while (end < words.size() && words[end] == words[i]) ++end;
    collisions += (end - i) * (end - i - 1) / 2;
    i = end;
  }
  pairs += pairs_of(bits.size);
}

void CollisionCounts::merge(const CollisionCounts& other) {
  pairs += other.pairs;
  collisions += other.collisions;
  raw_chunks += other.raw_chunks;
}

double CollisionCounts::expected() const {
  return std::ldexp(exact_double(pairs), -static_cast<int>(kCollisionBits));
}

double planned_collisions(const ChunkCounts& chunks, double p) {
  const std::uint64_t pairs = chunks.full * pairs_of(planned_fair_bits(kChunkBits, p)) +
                              chunks.tails * pairs_of(planned_fair_bits(chunks.tail_size, p));
  return std::ldexp(exact_double(pairs), -static_cast<int>(kCollisionBits));
}

Tail collision_test(const CollisionCounts& counts) {
  require(counts.pairs > 0, "at least two words");
  return poisson_two_sided(counts.expected(), counts.collisions);
}

}  // namespace dropcheck::stats
