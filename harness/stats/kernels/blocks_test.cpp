#include "harness/stats/kernels/blocks.hpp"

#include <random>
#include <stdexcept>
#include <vector>

#include "harness/testing/instruction_sets.hpp"

namespace dropcheck::stats::kernels {
namespace {

using Blocks = testing::OnEachInstructionSet;
DROPCHECK_ON_EACH_INSTRUCTION_SET(Blocks);

std::vector<std::uint64_t> random_mask(std::uint64_t size, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::vector<std::uint64_t> words((size + 63) / 64);
  for (auto& word : words) word = engine() & (engine() | engine());
  if (size % 64 != 0) words.back() &= (std::uint64_t{1} << (size % 64)) - 1;
  return words;
}

/// Ones of each whole block, bit by bit.
std::vector<std::uint64_t> naive(std::span<const std::uint64_t> words, std::uint64_t size,
                                 std::uint64_t block) {
  std::vector<std::uint64_t> counts(size / block, 0);
  for (std::uint64_t t = 0; t < size / block * block; ++t) counts[t / block] += words[t / 64] >> (t % 64) & 1;
  return counts;
}

constexpr std::uint64_t kSizes[] = {0, 1, 63, 64, 65, 1023, 1024, 1025, 5000, 66000, 70000, 300000};

TEST_P(Blocks, HaveTheMomentsOfTheDefinition) {
  for (const std::uint64_t size : kSizes) {
    const auto words = random_mask(size, size);
    for (const unsigned log2_block : {6u, 7u, 10u, 13u, 16u}) {
      BlockMoments expected{1, 2, 3}, moments = expected;
      for (const std::uint64_t c : naive(words, size, std::uint64_t{1} << log2_block)) {
        ++expected.blocks;
        expected.sum += c;
        expected.sum_squares += c * c;
      }
      block_moments(words, size, log2_block, moments);
      EXPECT_EQ(moments, expected) << size << " " << log2_block;
    }
  }
}

TEST_P(Blocks, HaveTheHistogramOfTheDefinition) {
  for (const std::uint64_t size : kSizes) {
    const auto words = random_mask(size, size + 1);
    for (const unsigned log2_block : {6u, 8u, 10u, 16u}) {
      std::vector<std::uint64_t> expected((std::size_t{1} << log2_block) + 1, 1), histogram = expected;
      for (const std::uint64_t c : naive(words, size, std::uint64_t{1} << log2_block)) ++expected[c];
      block_histogram(words, size, log2_block, histogram);
      EXPECT_EQ(histogram, expected) << size << " " << log2_block;
    }
  }
}

TEST_P(Blocks, OfAllOnesAreCountedInFull) {
  const std::vector<std::uint64_t> words(1 << 14, ~std::uint64_t{0});
  for (const unsigned log2_block : {6u, 10u, 16u, 20u}) {
    BlockMoments moments;
    block_moments(words, 1 << 20, log2_block, moments);
    const std::uint64_t c = std::uint64_t{1} << log2_block, blocks = (1 << 20) / c;
    EXPECT_EQ(moments, (BlockMoments{blocks, blocks * c, blocks * c * c}));
  }
}

TEST_P(Blocks, GiveWordHistogramsOfAPart) {
  const auto words = random_mask(64 * 3000, 9);
  for (const std::uint64_t n : {0u, 1u, 5u, 1024u, 1027u, 3000u}) {
    std::vector<std::uint64_t> expected(65, 0), histogram(65, 0);
    for (const std::uint64_t c : naive(words, 64 * n, 64)) ++expected[c];
    word_histogram(words, n, histogram);
    EXPECT_EQ(histogram, expected) << n;
  }
}

void expect_lag_products(const std::vector<std::uint8_t>& weights, std::size_t lags) {
  std::vector<std::uint64_t> products(lags, 7);
  weight_lag_products(weights, products);
  for (std::size_t l = 1; l <= lags; ++l) {
    std::uint64_t expected = 7;
    for (std::size_t j = 0; j + l < weights.size(); ++j)
      expected += std::uint64_t{weights[j]} * weights[j + l];
    ASSERT_EQ(products[l - 1], expected) << "lag " << l << " of " << weights.size();
  }
}

TEST_P(Blocks, GiveProductsOfNeighbouringWeights) {
  std::mt19937_64 engine(3);
  for (std::size_t n = 0; n < 140; ++n) {
    std::vector<std::uint8_t> weights(n);
    for (auto& weight : weights) weight = static_cast<std::uint8_t>(engine() % 65);
    for (const std::size_t lags : {0u, 1u, 3u, 4u, 5u, 16u}) expect_lag_products(weights, lags);
  }
}

TEST_P(Blocks, GiveProductsOfTheLargestWeightsWithoutOverflow) {
  for (const std::size_t n : {16384u, 65535u, 65536u + 16, 200001u})
    expect_lag_products(std::vector<std::uint8_t>(n, 64), 16);
}

TEST(BlocksGuards, RefuseWhatDoesNotFit) {
  const std::vector<std::uint64_t> words(2);
  BlockMoments moments;
  std::vector<std::uint64_t> histogram(64);
  EXPECT_THROW(block_moments(words, 129, 6, moments), std::domain_error);
  EXPECT_THROW(block_moments(words, 128, 5, moments), std::domain_error);
  EXPECT_THROW(word_histogram(words, 1, histogram), std::domain_error);
  EXPECT_THROW(block_histogram(words, 64, 6, histogram), std::domain_error);
  histogram.resize(65);
  EXPECT_THROW(word_histogram(words, 3, histogram), std::domain_error);
}

}  // namespace
}  // namespace dropcheck::stats::kernels
