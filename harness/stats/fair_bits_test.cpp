#include "harness/stats/fair_bits.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <map>
#include <random>
#include <stdexcept>
#include <vector>

namespace dropcheck::stats {
namespace {

Chunk chunk_of(const std::vector<std::uint64_t>& words, std::uint64_t size, double p) {
  Chunk chunk;
  chunk.words = words;
  chunk.size = size;
  chunk.p = p;
  return chunk;
}

TEST(FairBits, AreTheFirstOfEachPairThatDiffers) {
  std::mt19937_64 engine(1);
  for (const std::uint64_t size : {1u, 2u, 7u, 64u, 65u, 129u, 1000u, 5001u}) {
    std::vector<std::uint64_t> words((size + 63) / 64);
    for (std::uint64_t i = 0; i < size; ++i)
      if (engine() % 3 == 0) words[i / 64] |= std::uint64_t{1} << (i % 64);
    std::vector<bool> expected;
    for (std::uint64_t i = 0; i + 1 < size; i += 2) {
      const bool a = (words[i / 64] >> (i % 64)) & 1, b = (words[(i + 1) / 64] >> ((i + 1) % 64)) & 1;
      if (a != b) expected.push_back(a);
    }
    const FairBits fair = fair_bits(chunk_of(words, size, 0.3));
    ASSERT_EQ(fair.size, expected.size()) << size;
    for (std::uint64_t i = 0; i < fair.size; ++i)
      EXPECT_EQ(fair.at(i, 1) != 0, expected[i]) << size << " " << i;
    if (fair.size % 64 != 0) {
      EXPECT_EQ(fair.words.back() >> (fair.size % 64), 0u);
    }
  }
}

TEST(FairBits, OfAFairMaskAreTheMask) {
  const std::vector<std::uint64_t> words = {0x123456789abcdef0u, 0x1fu};
  const FairBits fair = fair_bits(chunk_of(words, 70, 0.5));
  EXPECT_EQ(fair.words, words);
  EXPECT_EQ(fair.size, 70u);
  EXPECT_EQ(fair.at(60, 10), 0x1f1u);
  EXPECT_EQ(fair.at(0, 64), words[0]);
  EXPECT_THROW(fair.at(61, 10), std::domain_error);
}

TEST(FairBits, AreExactlyUniformGivenTheirNumber) {
  // All masks of 10 entries at p = 0.2: every output of one length has the same probability.
  std::map<std::pair<std::uint64_t, std::uint64_t>, double> law;
  for (std::uint64_t mask = 0; mask < 1024; ++mask) {
    const FairBits fair = fair_bits(chunk_of({mask}, 10, 0.2));
    const double drops = std::popcount(mask);
    law[{fair.size, fair.size == 0 ? 0 : fair.at(0, static_cast<unsigned>(fair.size))}] +=
        std::pow(0.2, drops) * std::pow(0.8, 10 - drops);
  }
  EXPECT_EQ(law.size(), 63u);  // 1 + 2 + ... + 32
  for (const auto& [output, probability] : law) {
    const double length = static_cast<double>(output.first);
    const double ways = std::tgamma(6.0) / std::tgamma(length + 1) / std::tgamma(6 - length);
    const double expected = ways * std::pow(0.32, length) * std::pow(0.68, 5 - length) / std::exp2(length);
    EXPECT_NEAR(probability / expected, 1, 1e-12) << output.first << " " << output.second;
  }
}

TEST(PlannedFairBits, AreReachedByNearlyEveryChunk) {
  EXPECT_EQ(planned_fair_bits(1 << 20, 0.5), 1u << 20);
  EXPECT_EQ(planned_fair_bits(4, 0.01), 0u);
  const double planned = static_cast<double>(planned_fair_bits(1 << 20, 0.1));
  EXPECT_NEAR(planned, 94371.8 - 8 * std::sqrt(94371.8 * 0.82), 2);
  EXPECT_THROW(planned_fair_bits(4, 0), std::domain_error);
}

}  // namespace
}  // namespace dropcheck::stats
