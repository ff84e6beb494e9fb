#include "harness/run/seeds.hpp"

#include <gtest/gtest.h>

#include <set>

namespace dropcheck {
namespace {

SampleInfo sample_of(std::uint64_t blocks, const std::string& protocol = "mask") {
  Problem x;
  x.p = 0.3;
  x.shape = {64};
  return {protocol, x, blocks, 4};
}

std::vector<std::uint64_t> flat(const std::vector<std::vector<std::uint64_t>>& seeds) {
  std::vector<std::uint64_t> all;
  for (const auto& block : seeds) all.insert(all.end(), block.begin(), block.end());
  return all;
}

TEST(SampleSeeds, AreTheSameEachTime) {
  const auto once = sample_seeds(1, sample_of(7), 1, 3, 64);
  EXPECT_EQ(once.size(), 7u);
  for (const auto& block : once) EXPECT_EQ(block.size(), 3u);
  EXPECT_EQ(once, sample_seeds(1, sample_of(7), 1, 3, 64));
}

TEST(SampleSeeds, OfTheFirstBlocksDoNotDependOnHowManyFollow) {
  const auto few = sample_seeds(1, sample_of(3), 1, 2, 64), many = sample_seeds(1, sample_of(9), 1, 2, 64);
  EXPECT_TRUE(std::equal(few.begin(), few.end(), many.begin()));
}

TEST(SampleSeeds, AreDistinctAsFarAsTheirBitsAllow) {
  for (const unsigned bits : {1u, 2u, 3u, 8u, 10u, 16u, 32u, 63u, 64u}) {
    const auto seeds = flat(sample_seeds(5, sample_of(512), 1, 2, bits));
    const std::set<std::uint64_t> distinct(seeds.begin(), seeds.end());
    const std::size_t possible = bits < 10 ? std::size_t{1} << bits : 1024;
    EXPECT_EQ(distinct.size(), std::min<std::size_t>(possible, 1024)) << bits;
    EXPECT_LE(*distinct.rbegin(), ~std::uint64_t{0} >> (64 - bits)) << bits;
  }
}

TEST(SampleSeeds, BeginWithTheSeedThatTheProblemFixes) {
  SampleInfo sample = sample_of(4);
  sample.problem.seed = 0x123456789abcdef0;
  const auto seeds = sample_seeds(1, sample, 1, 2, 64);
  EXPECT_EQ(seeds[0][0], 0x123456789abcdef0u);
  const auto derived = sample_seeds(1, sample_of(4), 1, 2, 64);
  EXPECT_NE(derived[0][0], seeds[0][0]);
  EXPECT_EQ(derived[0][1], seeds[0][1]) << "the other seeds are those of the problem without a seed";
  EXPECT_EQ(derived[3], seeds[3]);
}

TEST(SampleSeeds, StayDistinctFromAFixedSeedModuloTheirBits) {
  SampleInfo sample = sample_of(8);
  sample.problem.seed = 0xff05;  // 5 in 4 bits
  const auto seeds = flat(sample_seeds(1, sample, 1, 2, 4));
  std::set<std::uint64_t> distinct;
  for (const std::uint64_t seed : seeds) distinct.insert(seed & 0xf);
  EXPECT_EQ(distinct.size(), 16u);
  EXPECT_EQ(seeds[0], 0xff05u);
}

TEST(SampleSeeds, ChangeWithEverythingThatNamesTheQuestion) {
  const auto base = flat(sample_seeds(1, sample_of(2), 1, 2, 64));
  SampleInfo other_problem = sample_of(2);
  other_problem.problem.p = 0.31;
  const std::vector<std::vector<std::uint64_t>> others = {
      flat(sample_seeds(2, sample_of(2), 1, 2, 64)), flat(sample_seeds(1, sample_of(2), 2, 2, 64)),
      flat(sample_seeds(1, sample_of(2, "position"), 1, 2, 64)),
      flat(sample_seeds(1, other_problem, 1, 2, 64))};
  std::set<std::uint64_t> distinct(base.begin(), base.end());
  for (const auto& seeds : others) distinct.insert(seeds.begin(), seeds.end());
  EXPECT_EQ(distinct.size(), 4u * 5u);
}

TEST(PitKey, ChangesWithCheckSampleStageAndMaster) {
  SampleInfo other = sample_of(2);
  other.problem.dtype = DType::f16;
  const std::set<std::uint64_t> keys = {
      pit_key(1, sample_of(2), "a.b", 1), pit_key(1, sample_of(2), "a.c", 1),
      pit_key(1, sample_of(2), "a.b", 2), pit_key(2, sample_of(2), "a.b", 1), pit_key(1, other, "a.b", 1)};
  EXPECT_EQ(keys.size(), 5u);
  EXPECT_EQ(pit_key(1, sample_of(2), "a.b", 1), pit_key(1, sample_of(2), "a.b", 1));
  EXPECT_FALSE(keys.contains(sample_seeds(1, sample_of(2), 1, 1, 64)[0][0]));
}

TEST(DerivedSeed, ChangesWithPurposeAndMaster) {
  EXPECT_EQ(derived_seed(1, "explore"), derived_seed(1, "explore"));
  EXPECT_NE(derived_seed(1, "explore"), derived_seed(1, "explore2"));
  EXPECT_NE(derived_seed(1, "explore"), derived_seed(2, "explore"));
}

// Seeds of old reports must stay reproducible, so these never change.
TEST(SampleSeeds, NeverChange) {
  const auto seeds = sample_seeds(0x5eed, sample_of(1), 1, 2, 64);
  EXPECT_EQ(seeds[0][0], 6060717041844866643u);
  EXPECT_EQ(seeds[0][1], 13171930045123086639u);
}

}  // namespace
}  // namespace dropcheck
