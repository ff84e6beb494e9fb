#include "harness/stats/lags.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <stdexcept>

#include "harness/core/mask_bits.hpp"

namespace dropcheck::stats {
namespace {

/// Independent bits, p = 1/4.
MaskBits random_bits(std::uint64_t size, std::mt19937_64& engine) {
  MaskBits bits(size);
  for (std::uint64_t i = 0; i < size; ++i)
    if (engine() < (std::uint64_t{1} << 62)) bits.set(i);
  return bits;
}

Chunk chunk_of(const MaskBits& bits) { return {bits.words(), bits.size(), Order::logical, 0, 0, 0.25}; }

PairProducts counted_one_by_one(const MaskBits& bits, std::uint64_t lag) {
  PairProducts pairs;
  for (std::uint64_t t = 0; t + lag < bits.size(); ++t) {
    const std::uint64_t left = bits[t] ? 1 : 0, right = bits[t + lag] ? 1 : 0;
    pairs += {left & right, left, right, 1};
  }
  return pairs;
}

TEST(Lags, AreTheNeighboursAndTheStructuralLengths) {
  EXPECT_EQ(short_lags().size(), 64u);
  EXPECT_EQ(short_lags().front(), 1u);
  EXPECT_EQ(short_lags().back(), 64u);
  const std::vector<std::uint32_t> lags = structural_lags();
  EXPECT_EQ(lags.size(), 26u);
  EXPECT_EQ(std::vector<std::uint32_t>(lags.begin(), lags.begin() + 6),
            (std::vector<std::uint32_t>{96, 128, 192, 256, 384, 512}));
  EXPECT_EQ(lags.back(), 1u << 19);
  EXPECT_TRUE(std::is_sorted(lags.begin(), lags.end()));
}

TEST(LagCounts, MatchCountingOneByOne) {
  std::mt19937_64 engine(11);
  const std::vector<std::uint32_t> lags{1, 2, 31, 63, 64, 65, 96, 127, 128, 129, 192, 1000};
  for (const std::uint64_t size :
       {1u, 2u, 63u, 64u, 65u, 127u, 128u, 129u, 193u, 1000u, 1001u, 2048u, 2500u}) {
    for (int round = 0; round < 3; ++round) {
      const MaskBits bits = random_bits(size, engine);
      LagCounts counts(lags);
      counts.add(chunk_of(bits));
      for (std::size_t i = 0; i < lags.size(); ++i)
        EXPECT_EQ(counts.pairs(i), counted_one_by_one(bits, lags[i])) << size << " " << lags[i];
    }
  }
}

TEST(LagCounts, CountAWholeChunk) {
  std::mt19937_64 engine(12);
  const MaskBits bits = random_bits(kChunkBits, engine);
  LagCounts counts({1, 64, 524288});
  counts.add(chunk_of(bits));
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(counts.pairs(i), counted_one_by_one(bits, counts.lags()[i]));
}

TEST(LagCounts, MergeInAnyOrderAndKnowTheirChunks) {
  std::mt19937_64 engine(13);
  std::vector<MaskBits> masks;
  for (const std::uint64_t size : {500u, 70u, 500u, 3u, 500u}) masks.push_back(random_bits(size, engine));
  LagCounts together(short_lags()), left(short_lags()), right(short_lags());
  for (const MaskBits& bits : masks) together.add(chunk_of(bits));
  for (const std::size_t i : {4u, 1u}) left.add(chunk_of(masks[i]));
  for (const std::size_t i : {3u, 0u, 2u}) right.add(chunk_of(masks[i]));
  right.merge(left);
  for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(together.pairs(i), right.pairs(i));
  ASSERT_EQ(together.chunks().size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(together.chunks()[i].size, right.chunks()[i].size);
    EXPECT_EQ(together.chunks()[i].count, right.chunks()[i].count);
  }
  EXPECT_EQ(together.chunks()[2].count, 3u);
  for (std::size_t i = 0; i < 64; ++i)
    EXPECT_EQ(together.pairs(i).n, lag_pairs(together.chunks(), together.lags()[i]));
}

TEST(LagCounts, RefuseLagsThatMakeNoSense) {
  EXPECT_THROW(LagCounts({0, 1}), std::domain_error);
  EXPECT_THROW(LagCounts({2, 1}), std::domain_error);
  EXPECT_THROW(LagCounts({1, 1}), std::domain_error);
  LagCounts ones({1});
  EXPECT_THROW(ones.merge(LagCounts({2})), std::domain_error);
  ones.add(Chunk{});  // an empty chunk says nothing
  EXPECT_TRUE(ones.chunks().empty());
}

}  // namespace
}  // namespace dropcheck::stats
