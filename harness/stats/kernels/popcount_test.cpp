#include "harness/stats/kernels/popcount.hpp"

#include <random>
#include <stdexcept>
#include <vector>

#include "harness/testing/instruction_sets.hpp"

namespace dropcheck::stats::kernels {
namespace {

using Popcount = testing::OnEachInstructionSet;
DROPCHECK_ON_EACH_INSTRUCTION_SET(Popcount);

std::vector<std::uint64_t> random_words(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::vector<std::uint64_t> words(size);
  for (auto& word : words) word = engine() | engine();
  return words;
}

/// Bit by bit, so that it shares nothing with the kernels.
std::uint64_t naive_and_count(std::span<const std::uint64_t> a, std::span<const std::uint64_t> b) {
  std::uint64_t ones = 0;
  for (std::size_t i = 0; i < 64 * a.size(); ++i) ones += (a[i / 64] & b[i / 64]) >> (i % 64) & 1;
  return ones;
}

TEST_P(Popcount, CountsOnes) {
  for (std::size_t size = 0; size < 150; ++size) {
    const auto words = random_words(size, size);
    EXPECT_EQ(count(words), naive_and_count(words, words)) << size;
  }
}

TEST_P(Popcount, CountsOnesOfLongFullMasks) {  // bytes of counts must not overflow
  for (const std::size_t size : {1000u, 4096u, 16384u, 20001u}) {
    const std::vector<std::uint64_t> words(size, ~std::uint64_t{0});
    EXPECT_EQ(count(words), 64 * size);
    EXPECT_EQ(and_count(words, words), 64 * size);
  }
}

TEST_P(Popcount, CountsCommonOnes) {
  for (std::size_t size = 0; size < 150; ++size) {
    const auto a = random_words(size, size), b = random_words(size, size + 1000);
    EXPECT_EQ(and_count(a, b), naive_and_count(a, b)) << size;
  }
}

TEST_P(Popcount, CountsAdjacentPairs) {
  for (std::size_t size = 0; size < 80; ++size) {
    const auto words = random_words(size, size + 3);
    std::uint64_t expected = 0;
    for (std::size_t i = 0; i < 64 * size; i += 2) expected += (words[i / 64] >> (i % 64) & 3) == 3 ? 1u : 0u;
    EXPECT_EQ(adjacent_pairs(words), expected) << size;
  }
}

TEST_P(Popcount, CountsAllPairs) {
  for (const std::size_t streams : {0u, 1u, 2u, 3u, 4u, 5u, 8u, 9u, 17u}) {
    for (const std::size_t words : {0u, 1u, 3u, 8u, 9u, 40u}) {
      const auto rows = random_words(streams * words, 7 * streams + words);
      std::vector<std::uint64_t> gram(streams * streams, 5);
      pair_counts(rows, streams, gram);
      const auto row = [&](std::size_t i) { return std::span(rows).subspan(i * words, words); };
      for (std::size_t i = 0; i < streams; ++i)
        for (std::size_t j = 0; j < streams; ++j)
          ASSERT_EQ(gram[i * streams + j], 5 + naive_and_count(row(i), row(j))) << streams << " " << words;
    }
  }
}

TEST_P(Popcount, CountsPairsOfMasksLongerThanACache) {
  constexpr std::size_t kStreams = 6, kWords = 12000;
  std::vector<std::uint64_t> rows(kStreams * kWords, ~std::uint64_t{0});
  for (std::size_t i = 0; i < kStreams; ++i) rows[i * kWords + 11999] = std::uint64_t{1} << i;
  std::vector<std::uint64_t> gram(kStreams * kStreams, 0);
  pair_counts(rows, kStreams, gram);
  for (std::size_t i = 0; i < kStreams; ++i)
    for (std::size_t j = 0; j < kStreams; ++j)
      ASSERT_EQ(gram[i * kStreams + j], 64 * 11999 + (i == j ? 1u : 0u));
}

TEST(PopcountGuards, RefuseSizesThatDoNotFit) {
  const std::vector<std::uint64_t> three(3), four(4);
  std::vector<std::uint64_t> gram(4);
  EXPECT_THROW(and_count(three, four), std::domain_error);
  EXPECT_THROW(pair_counts(three, 2, gram), std::domain_error);
  EXPECT_THROW(pair_counts(four, 4, gram), std::domain_error);
  EXPECT_THROW(pair_counts(four, 0, {}), std::domain_error);
}

}  // namespace
}  // namespace dropcheck::stats::kernels
