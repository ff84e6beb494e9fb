#include "harness/stats/word_weights.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

#include "harness/stats/petrov.hpp"

namespace dropcheck::stats {
namespace {

std::vector<std::uint64_t> random_words(std::uint64_t size, double p, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::vector<std::uint64_t> words((size + 63) / 64, 0);
  for (std::uint64_t i = 0; i < size; ++i)
    if (static_cast<double>(engine() >> 11) * 0x1p-53 < p) words[i / 64] |= std::uint64_t{1} << (i % 64);
  return words;
}

Chunk chunk_of(const std::vector<std::uint64_t>& words, std::uint64_t size) {
  Chunk chunk;
  chunk.words = words;
  chunk.size = size;
  return chunk;
}

TEST(WordWeightCounts, AreSumsOverAllPairsOfFullWords) {
  for (const std::uint64_t size : {1u, 64u, 128u, 1000u, 64u * 16, 64u * 17, 64u * 18 + 5, 20000u}) {
    const auto words = random_words(size, 0.4, size);
    WordWeightCounts counts;
    counts.add(chunk_of(words, size));
    const std::size_t full = size / 64;
    for (unsigned lag = 1; lag <= kWordLags; ++lag) {
      std::uint64_t pairs = 0, products = 0, margins = 0;
      for (std::size_t j = 0; j + lag < full; ++j) {
        const auto a = static_cast<std::uint64_t>(std::popcount(words[j]));
        const auto b = static_cast<std::uint64_t>(std::popcount(words[j + lag]));
        ++pairs, products += a * b, margins += a + b;
      }
      EXPECT_EQ(counts.pairs[lag - 1], pairs) << size << " " << lag;
      EXPECT_EQ(counts.products[lag - 1], products) << size << " " << lag;
      EXPECT_EQ(counts.margins[lag - 1], margins) << size << " " << lag;
      EXPECT_EQ(planned_word_pairs({0, 1, size}, lag), pairs);
    }
  }
  EXPECT_EQ(planned_word_pairs({2, 0, 0}, 16), 2u * (16384 - 16));
}

TEST(WordWeightCounts, MergeInAnyOrder) {
  WordWeightCounts all, a, b;
  for (const std::uint64_t size : {5000u, 333u, 64u * 40}) {
    const auto words = random_words(size, 0.3, size);
    all.add(chunk_of(words, size));
    (size == 333 ? a : b).add(chunk_of(words, size));
  }
  a.merge(b);
  EXPECT_EQ(a.pairs, all.pairs);
  EXPECT_EQ(a.products, all.products);
  EXPECT_EQ(a.margins, all.margins);
}

TEST(WordWeightTest, IsTheStandardisedSumOfProducts) {
  const auto words = random_words(64 * 200, 0.2, 8);
  WordWeightCounts counts;
  counts.add(chunk_of(words, 64 * 200));
  for (const unsigned lag : {1u, 7u, 16u}) {
    double sum = 0;
    for (std::size_t j = 0; j + lag < 200; ++j)
      sum += (std::popcount(words[j]) - 12.8) * (std::popcount(words[j + lag]) - 12.8) / (64 * 0.16);
    const double n = 200 - lag;
    const WordWeightTest test = word_weight_test(counts, lag, 0.2);
    EXPECT_NEAR(test.z, sum / std::sqrt(n), 1e-9);
    EXPECT_NEAR(test.correlation, sum / n, 1e-10);
    const double kurtosis = 3 + (1 - 6 * 0.16) / (64 * 0.16), skewness = 0.36 / (64 * 0.16);
    const double quartic = kurtosis * kurtosis - 3 + 6 * (kurtosis - 1) - 3 * skewness * skewness;
    EXPECT_NEAR(test.tail.p_value / petrov_two_sided(test.z, skewness / std::sqrt(n), quartic / n).p_value, 1,
                1e-9);
  }
}

// Moments of the standardised sum for words of `bits` entries, over all outcomes of `words` words.
struct Moments {
  double mean = 0, variance = 0, third = 0, fourth = 0;
};
Moments enumerated(unsigned bits, unsigned words, unsigned lag, double p) {
  std::vector<double> law(bits + 1);
  for (unsigned x = 0; x <= bits; ++x)
    law[x] = std::tgamma(bits + 1.0) / std::tgamma(x + 1.0) / std::tgamma(bits - x + 1.0) *
             std::pow(p, double(x)) * std::pow(1 - p, double(bits - x));
  Moments m;
  std::vector<unsigned> x(words, 0);
  while (true) {
    double weight = 1, sum = 0;
    for (unsigned j = 0; j < words; ++j) weight *= law[x[j]];
    for (unsigned j = 0; j + lag < words; ++j)
      sum += (x[j] - bits * p) * (x[j + lag] - bits * p) / (bits * p * (1 - p));
    const double z = sum / std::sqrt(double(words - lag));
    m.mean += weight * z;
    m.variance += weight * z * z;
    m.third += weight * z * z * z;
    m.fourth += weight * z * z * z * z;
    unsigned j = 0;
    while (j < words && x[j] == bits) x[j++] = 0;
    if (j == words) return m;
    ++x[j];
  }
}

TEST(WordWeightSum, HasExactlyTheMomentsThatItsTailUses) {
  for (const double p : {0.5, 0.2}) {
    for (const unsigned lag : {1u, 2u}) {
      const unsigned bits = 3, words = 7;
      const Moments m = enumerated(bits, words, lag, p);
      const double n = words - lag, v = p * (1 - p);
      EXPECT_NEAR(m.mean, 0, 1e-12);
      EXPECT_NEAR(m.variance, 1, 1e-12);
      EXPECT_NEAR(m.third, (1 - 2 * p) * (1 - 2 * p) / (bits * v) / std::sqrt(n), 1e-12) << p << " " << lag;
      // The fourth cumulant that the tail is corrected for; ends of the chain lack some neighbours.
      const double kurtosis = 3 + (1 - 6 * v) / (bits * v);
      const double neighbours = n - lag;
      EXPECT_NEAR(m.fourth - 3, (n * (kurtosis * kurtosis - 3) + 6 * neighbours * (kurtosis - 1)) / (n * n),
                  1e-10)
          << p << " " << lag;
    }
  }
}

TEST(WordWeightTest, IsPlannedWhereItCanDecide) {
  EXPECT_FALSE(word_weights_are_valid(0, 0.5, 1e-10));
  EXPECT_FALSE(word_weights_are_valid(1 << 12, 0.5, 1e-10));
  EXPECT_TRUE(word_weights_are_valid((1 << 14) - 64, 0.5, 1e-10));
  EXPECT_TRUE(word_weights_are_valid((1 << 14) - 64, 0.1, 1e-10));
  EXPECT_FALSE(word_weights_are_valid((1 << 14), 0.001, 1e-10));
  EXPECT_THROW(word_weight_test({}, 1, 0.5), std::domain_error);
  EXPECT_THROW(planned_word_pairs({}, 0), std::domain_error);
  EXPECT_THROW(planned_word_pairs({}, 17), std::domain_error);
}

TEST(WordWeightTest, RejectsNoMoreOftenThanItsLevel) {
  std::mt19937_64 engine(4);
  int rejected = 0;
  for (int run = 0; run < 1000; ++run) {
    std::vector<std::uint64_t> words(2000);
    for (std::uint64_t& word : words) word = engine() & engine();
    WordWeightCounts counts;
    counts.add(chunk_of(words, 64 * words.size()));
    rejected += word_weight_test(counts, 1 + static_cast<unsigned>(run) % 16, 0.25).tail.p_value <= 0.01;
  }
  EXPECT_LE(rejected, 27);  // Bin(1000, 0.01): P(X > 27) = 3e-6
}

TEST(WordWeightMinEffect, IsReachedByTheStatedNumberOfPairs) {
  const std::uint64_t n = word_weight_min_samples(0.02, 1e-9, 1e-6, 0.1);
  EXPECT_LE(word_weight_min_effect(n, 1e-9, 1e-6, 0.1), 0.02);
  EXPECT_GT(word_weight_min_effect(n - n / 100, 1e-9, 1e-6, 0.1), 0.02);
  EXPECT_NEAR(word_weight_min_effect(1 << 24, 1e-9, 1e-6, 0.5) * 4096, 10.86, 0.02);
  EXPECT_EQ(word_weight_min_effect(0, 1e-9, 1e-6, 0.5), std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace dropcheck::stats
