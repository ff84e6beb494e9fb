#include "harness/stats/walsh_lanes.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

#include "harness/stats/hypergeometric.hpp"

namespace dropcheck::stats {
namespace {

Chunk chunk_of(const std::vector<std::uint64_t>& words, std::uint64_t size) {
  Chunk chunk;
  chunk.words = words;
  chunk.size = size;
  return chunk;
}

std::vector<std::uint64_t> random_words(std::size_t words, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::vector<std::uint64_t> result(words);
  for (std::uint64_t& word : result) word = engine() & engine();
  return result;
}

TEST(WalshCounts, AreDropsByPosition) {
  for (const std::size_t words : {1u, 15u, 16u, 17u, 48u, 1000u, 16384u}) {
    const auto mask = random_words(words, words);
    WalshCounts counts;
    counts.add(chunk_of(mask, 64 * words));
    std::array<std::uint64_t, kWalshLanes> expected{};
    for (std::size_t i = 0; i < words / 16 * 1024; ++i) expected[i % 1024] += (mask[i / 64] >> (i % 64)) & 1;
    EXPECT_EQ(counts.drops, expected) << words;
    EXPECT_EQ(counts.rows, words / 16);
    EXPECT_EQ(planned_walsh_rows({0, 1, 64 * words}), words / 16);
  }
  std::vector<std::uint64_t> all(16384, ~std::uint64_t{0});
  WalshCounts counts;
  counts.add(chunk_of(all, kChunkBits));
  for (const std::uint64_t drops : counts.drops) EXPECT_EQ(drops, 1024u);
}

TEST(WalshCounts, MergeInAnyOrder) {
  WalshCounts all, a, b;
  for (const std::size_t words : {160u, 33u, 80u}) {
    const auto mask = random_words(words, words);
    all.add(chunk_of(mask, 64 * words));
    (words == 33 ? a : b).add(chunk_of(mask, 64 * words));
  }
  a.merge(b);
  EXPECT_EQ(a.rows, all.rows);
  EXPECT_EQ(a.drops, all.drops);
}

TEST(WalshTest, ComparesTheTwoHalvesOfEveryPattern) {
  WalshCounts counts;
  counts.add(chunk_of(random_words(1600, 3), 1600 * 64));
  double worst = 1;
  for (std::uint64_t s = 1; s < kWalshLanes; ++s) {
    std::uint64_t odd = 0, total = 0;
    for (std::uint64_t lane = 0; lane < kWalshLanes; ++lane) {
      total += counts.drops[lane];
      if (std::popcount(lane & s) % 2 == 1) odd += counts.drops[lane];
    }
    const WalshTest test = walsh_test(counts, s);
    EXPECT_EQ(test.odd, odd);
    EXPECT_EQ(test.even, total - odd);
    EXPECT_NEAR(test.amplitude, (2.0 * static_cast<double>(odd) - static_cast<double>(total)) / 102400,
                1e-12);
    EXPECT_EQ(test.tail.p_value, hypergeometric_two_sided(102400, 51200, total, odd).p_value);
    worst = std::min(worst, test.tail.p_value);
  }
  EXPECT_NEAR(walsh_test(counts).tail.p_value, std::min(1.0, 1023 * worst), 1e-12);
}

TEST(WalshTest, NamesTheBitsOfThePositionThatMatter) {
  WalshCounts counts;
  counts.rows = 1000;
  for (std::uint64_t lane = 0; lane < kWalshLanes; ++lane)
    counts.drops[lane] = std::popcount(lane & 0b10'0001'0010u) % 2 == 1 ? 320 : 300;
  const WalshTest test = walsh_test(counts);
  EXPECT_EQ(test.pattern, 0b10'0001'0010u);
  EXPECT_NEAR(test.amplitude, 0.01, 1e-12);
  EXPECT_LT(test.tail.p_value, 1e-60);
}

TEST(WalshTest, RejectsNoMoreOftenThanItsLevel) {
  int rejected = 0;
  for (std::uint64_t run = 0; run < 300; ++run) {
    WalshCounts counts;
    counts.add(chunk_of(random_words(320, 1000 + run), 320 * 64));
    rejected += walsh_test(counts).tail.p_value <= 0.05;
  }
  EXPECT_LE(rejected, 36);  // Bin(300, 0.05): P(X > 36) = 5e-7
}

TEST(WalshTest, RefusesNothing) {
  EXPECT_THROW(walsh_test({}), std::domain_error);
  WalshCounts counts;
  counts.rows = 1;
  EXPECT_EQ(walsh_test(counts).tail.p_value, 1);  // no drop at all says nothing about lanes
  EXPECT_THROW(walsh_test(counts, 0), std::domain_error);
  EXPECT_THROW(walsh_test(counts, 1024), std::domain_error);
}

TEST(WalshMinEffect, IsReachedByTheStatedNumberOfRows) {
  const std::uint64_t n = walsh_min_samples(0.001, 1e-9, 1e-6, 0.1);
  EXPECT_LE(walsh_min_effect(n, 1e-9, 1e-6, 0.1), 0.001);
  EXPECT_GT(walsh_min_effect(n - n / 100, 1e-9, 1e-6, 0.1), 0.001);
  EXPECT_EQ(walsh_min_effect(0, 1e-9, 1e-6, 0.1), std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace dropcheck::stats
