#include "harness/stats/boundaries.hpp"

#include <gtest/gtest.h>

#include <random>
#include <stdexcept>

namespace dropcheck::stats {
namespace {

MaskBits random_mask(std::uint64_t size, double p, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  MaskBits bits(size);
  for (std::uint64_t i = 0; i < size; ++i)
    if (static_cast<double>(engine() >> 11) * 0x1p-53 < p) bits.set(i);
  return bits;
}

TEST(Boundaries, CountThePairsOverEverySeam) {
  for (const std::uint64_t size : {1u,  31u,   32u,   33u,   35u,   36u,   63u,   64u,   65u,   67u,   68u,
                                   96u, 1023u, 1024u, 1025u, 1028u, 4095u, 4096u, 5000u, 8193u, 70001u}) {
    const MaskBits bits = random_mask(size, 0.4, size);
    BoundaryCounts counts;
    counts.add(bits);
    for (std::size_t b = 0; b < kSeamSpacings.size(); ++b) {
      for (std::size_t l = 0; l < kSeamLags.size(); ++l) {
        SeamPairs expected;
        for (std::uint64_t t = kSeamSpacings[b] - 1; t + kSeamLags[l] < size; t += kSeamSpacings[b]) {
          const bool left = bits[t], right = bits[t + kSeamLags[l]];
          ++expected.pairs;
          expected.left += left ? 1u : 0u;
          expected.right += right ? 1u : 0u;
          expected.both += left && right ? 1u : 0u;
        }
        EXPECT_EQ(counts.seams[b][l], expected) << size << " " << kSeamSpacings[b] << " " << kSeamLags[l];
        EXPECT_EQ(seam_pairs(size, kSeamSpacings[b], kSeamLags[l]), expected.pairs);
      }
    }
  }
}

TEST(Boundaries, CountTheEntriesAtTheEdges) {
  MaskBits bits(1000);
  for (const std::uint64_t i : {0u, 992u, 999u, 900u}) bits.set(i);
  BoundaryCounts counts;
  counts.add(bits);
  EXPECT_EQ(counts.first, (EdgeEntries{1, 1}));
  EXPECT_EQ(counts.last, (EdgeEntries{1, 1}));
  // 1000 = 8 * 125: nothing is left over before 16 (8 entries), 32 (8 again), 64 (40), 128 (104) and 256
  // (232).
  EXPECT_EQ(tail_widths(1000), (std::vector<std::uint64_t>{16, 64, 128, 256}));
  EXPECT_EQ(counts.tails[tail_index(16)], (EdgeEntries{8, 2}));
  EXPECT_EQ(counts.tails[tail_index(64)], (EdgeEntries{40, 2}));
  EXPECT_EQ(counts.tails[tail_index(128)], (EdgeEntries{104, 3}));
  EXPECT_EQ(counts.tails[tail_index(32)], (EdgeEntries{}));
}

TEST(Boundaries, CountTheLastTwoEntriesOfEachCall) {
  BoundaryCounts counts;
  for (const auto& dropped : std::vector<std::vector<std::uint64_t>>{{}, {65}, {66}, {65, 66}, {0, 65, 66}}) {
    MaskBits bits(67);
    for (const std::uint64_t i : dropped) bits.set(i);
    counts.add(bits);
  }
  EXPECT_EQ(counts.last_two, (SeamPairs{5, 3, 3, 2}));
  counts.add(MaskBits(1));
  counts.add(MaskBits(0));
  EXPECT_EQ(counts.last_two.pairs, 5u) << "no pair in a call of one entry";
}

TEST(Boundaries, KnowWhichTailsSayMoreThanOthers) {
  EXPECT_TRUE(tail_widths(4096).empty());
  EXPECT_TRUE(tail_widths(0).empty());
  EXPECT_TRUE(tail_widths(3).empty());     // less than a vector: that is the whole call
  EXPECT_TRUE(tail_widths(1025).empty());  // one entry: that is the last one
  EXPECT_EQ(tail_widths(7), (std::vector<std::uint64_t>{4}));
  EXPECT_THROW(tail_index(3), std::domain_error);
  EXPECT_THROW(tail_index(512), std::domain_error);
}

TEST(Boundaries, MergeInAnyOrder) {
  BoundaryCounts all, a, b;
  for (const std::uint64_t size : {0u, 515u, 2050u, 64u}) {
    all.add(random_mask(size, 0.5, size));
    (size % 2 == 0 ? a : b).add(random_mask(size, 0.5, size));
  }
  b.merge(a);
  EXPECT_EQ(b.seams, all.seams);
  EXPECT_EQ(b.last_two, all.last_two);
  EXPECT_EQ(b.first, all.first);
  EXPECT_EQ(b.last, all.last);
  EXPECT_EQ(b.tails, all.tails);
}

}  // namespace
}  // namespace dropcheck::stats
