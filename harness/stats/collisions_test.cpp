#include "harness/stats/collisions.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <stdexcept>
#include <vector>

#include "harness/stats/poisson.hpp"

namespace dropcheck::stats {
namespace {

Chunk chunk_of(const std::vector<std::uint64_t>& words, double p) {
  Chunk chunk;
  chunk.words = words;
  chunk.size = 64 * words.size();
  chunk.p = p;
  return chunk;
}

TEST(CollisionCounts, AreEqualPairsOfWords) {
  // 24 words of 24 bits in 9 words of 64: the values 5, 5, 5, 7, 7 and all others different.
  std::vector<std::uint64_t> words(9, 0);
  for (std::uint64_t i = 0; i < 24; ++i) {
    const std::uint64_t value = i < 3 ? 5 : i < 5 ? 7 : 1000 + i;
    for (std::uint64_t b = 0; b < 24; ++b)
      if ((value >> b) & 1) words[(24 * i + b) / 64] |= std::uint64_t{1} << ((24 * i + b) % 64);
  }
  CollisionCounts counts;
  counts.add(chunk_of(words, 0.5));
  EXPECT_EQ(counts.collisions, 3u + 1);
  EXPECT_EQ(counts.pairs, 24u * 23 / 2);
  EXPECT_EQ(counts.raw_chunks, 1u);
  CollisionCounts twice = counts;
  twice.merge(counts);
  EXPECT_EQ(twice.collisions, 8u);
  EXPECT_EQ(twice.pairs, 24u * 23);
}

TEST(CollisionCounts, ReadALimitedNumberOfWordsOfAChunk) {
  std::mt19937_64 engine(2);
  std::vector<std::uint64_t> words(kChunkBits / 64);
  for (std::uint64_t& word : words) word = engine();
  CollisionCounts counts;
  counts.add(chunk_of(words, 0.5));
  EXPECT_EQ(counts.pairs, 4096u * 4095 / 2);
  EXPECT_NEAR(counts.expected(), 0.49988, 1e-5);
  EXPECT_DOUBLE_EQ(planned_collisions({3, 0, 0}, 0.5), 3 * counts.expected());
  EXPECT_EQ(planned_collisions({0, 3, 40}, 0.5), 0);
  EXPECT_NEAR(planned_collisions({1, 0, 0}, 0.1), 0.44, 0.01);
}

TEST(Collisions, HaveExactlyTheMomentsThatTheirLawUses) {
  // Four words of three bits, all 8^4 outcomes.
  double mean = 0, square = 0;
  for (unsigned outcome = 0; outcome < 4096; ++outcome) {
    unsigned equal = 0;
    for (unsigned a = 0; a < 4; ++a)
      for (unsigned b = a + 1; b < 4; ++b)
        equal += ((outcome >> (3 * a)) & 7) == ((outcome >> (3 * b)) & 7) ? 1u : 0u;
    mean += equal / 4096.0;
    square += equal * equal / 4096.0;
  }
  EXPECT_NEAR(mean, 6 / 8.0, 1e-12);
  EXPECT_NEAR(square - mean * mean, mean * (1 - 1 / 8.0), 1e-12);
}

TEST(CollisionTest, IsPoissonsAndSeesFewDifferentWords) {
  std::mt19937_64 engine(4);
  CollisionCounts good, few;
  std::vector<std::uint64_t> words(4096 * 24 / 64), repeated(words.size());
  std::vector<std::uint64_t> deck(3 * (1u << 16));  // of 2^18 words of 24 bits
  for (std::uint64_t& word : deck) word = engine();
  for (int chunk = 0; chunk < 60; ++chunk) {
    for (std::uint64_t& word : words) word = engine();
    good.add(chunk_of(words, 0.5));
    for (std::size_t i = 0; i < repeated.size(); i += 3) {
      const std::size_t from = 3 * (engine() % (deck.size() / 3));
      for (std::size_t k = 0; k < 3; ++k) repeated[i + k] = deck[from + k];
    }
    few.add(chunk_of(repeated, 0.5));
  }
  EXPECT_NEAR(good.expected(), 29.99, 0.01);
  EXPECT_GT(collision_test(good).p_value, 1e-3);
  EXPECT_EQ(collision_test(good).p_value, poisson_two_sided(good.expected(), good.collisions).p_value);
  EXPECT_LT(collision_test(few).p_value, 1e-50);
  EXPECT_THROW(collision_test({}), std::domain_error);
}

}  // namespace
}  // namespace dropcheck::stats
