#include "harness/stats/matrix_rank.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

#include "harness/stats/binomial.hpp"

namespace dropcheck::stats {
namespace {

Chunk chunk_of(const std::vector<std::uint64_t>& words, double p) {
  Chunk chunk;
  chunk.words = words;
  chunk.size = 64 * words.size();
  chunk.p = p;
  return chunk;
}

unsigned rank_of(const std::vector<std::uint64_t>& rows) {
  std::array<std::uint64_t, kMatrixSize> matrix{};
  std::copy(rows.begin(), rows.end(), matrix.begin());
  return binary_rank(matrix);
}

TEST(BinaryRank, IsThatOfSimpleMatrices) {
  std::vector<std::uint64_t> identity;
  for (unsigned i = 0; i < 64; ++i) identity.push_back(std::uint64_t{1} << i);
  EXPECT_EQ(rank_of(identity), 64u);
  EXPECT_EQ(rank_of({}), 0u);
  EXPECT_EQ(rank_of({5, 3, 6}), 2u);  // 5 ^ 3 = 6
  EXPECT_EQ(rank_of(std::vector<std::uint64_t>(64, ~std::uint64_t{0})), 1u);
}

TEST(RankProbability, MatchesAllMatricesOfFourRows) {
  std::array<unsigned, 5> ranks{};
  for (unsigned m = 0; m < (1u << 16); ++m) ++ranks[rank_of({m & 15, (m >> 4) & 15, (m >> 8) & 15, m >> 12})];
  for (unsigned deficit = 0; deficit <= 4; ++deficit)
    EXPECT_NEAR(rank_probability(4, deficit), ranks[4 - deficit] / 65536.0, 1e-15);
}

TEST(RankProbability, HasTheKnownLimitsAndAddsUp) {
  const std::array<double, 4> known = {0.2887880951, 0.5775761902, 0.1283502644, 0.0052387863};
  double sum = 0;
  for (unsigned deficit = 0; deficit <= 64; ++deficit) {
    sum += rank_probability(64, deficit);
    if (deficit < 4) {
      EXPECT_NEAR(rank_probability(64, deficit), known[deficit], 1e-10);
    }
  }
  EXPECT_NEAR(sum, 1, 1e-13);
  EXPECT_THROW(rank_probability(64, 65), std::domain_error);
}

TEST(RankCounts, FillMatricesWithFairBitsInOrder) {
  std::mt19937_64 engine(3);
  std::vector<std::uint64_t> words(64 * 3 + 10);
  for (std::uint64_t& word : words) word = engine();
  for (unsigned row = 64; row < 128; ++row)
    words[row] = engine() & 0xff;  // the second matrix has rank 8 at most
  RankCounts counts;
  counts.add(chunk_of(words, 0.5));
  EXPECT_EQ(counts.total(), 3u);
  EXPECT_GE(counts.matrices.back(), 1u);
  EXPECT_EQ(counts.raw_chunks, 1u);
  RankCounts biased;
  biased.add(chunk_of(words, 0.4));  // a quarter as many
  EXPECT_EQ(biased.total(), 0u);
  EXPECT_EQ(biased.raw_chunks, 0u);
  counts.merge(biased);
  EXPECT_EQ(counts.total(), 3u);
  EXPECT_EQ(planned_matrices({1, 2, 8192}, 0.5), 256u + 4);
  EXPECT_EQ(planned_matrices({1, 0, 0}, 0.1), 22u);
}

TEST(RankTest, RejectsNoMoreOftenThanItsLevel) {
  std::mt19937_64 engine(8);
  int rejected = 0, rejected_low = 0;
  std::vector<std::uint64_t> words(64 * 256);
  for (int run = 0; run < 40; ++run) {
    RankCounts counts;
    for (int chunk = 0; chunk < 14; ++chunk) {
      for (std::uint64_t& word : words) word = engine();
      counts.add(chunk_of(words, 0.5));
    }
    rejected += rank_test(counts)->tail.p_value <= 0.05;
    rejected_low += low_rank_test(counts).p_value <= 0.05;
  }
  EXPECT_LE(rejected, 11);  // Bin(40, 0.05): P(X > 11) = 1e-6
  EXPECT_LE(rejected_low, 11);
}

TEST(RankTest, SeesRowsThatRepeat) {
  std::mt19937_64 engine(9);
  std::vector<std::uint64_t> words(64 * 4000);
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = i % 320 == 63 ? words[i - 1] : engine();
  RankCounts counts;
  counts.add(chunk_of(words, 0.5));
  EXPECT_LT(rank_test(counts)->tail.p_value, 1e-9);
}

TEST(RankTest, IsEmptyForFewMatrices) {
  RankCounts counts;
  counts.matrices = {1000, 2000, 450, 10};
  EXPECT_FALSE(rank_test(counts).has_value());
  EXPECT_EQ(rank_min_effect(3460, 1e-9, 1e-6), std::numeric_limits<double>::infinity());
  EXPECT_LT(rank_min_effect(3465, 1e-9, 1e-6), 1);
  counts.matrices = {2888, 5776, 1284, 52};
  EXPECT_GT(rank_test(counts)->tail.p_value, 0.9);
  const double low = 1 - rank_probability(64, 0) - rank_probability(64, 1) - rank_probability(64, 2);
  EXPECT_NEAR(low_rank_test(counts).p_value, binomial_two_sided(10000, 52, low).p_value, 1e-9);
}

TEST(RankMinEffect, IsReachedByTheStatedNumberOfMatrices) {
  const std::uint64_t n = rank_min_samples(0.05, 1e-9, 1e-6);
  EXPECT_LE(rank_min_effect(n, 1e-9, 1e-6), 0.05);
  EXPECT_GT(rank_min_effect(n - n / 50, 1e-9, 1e-6), 0.05);
}

}  // namespace
}  // namespace dropcheck::stats
