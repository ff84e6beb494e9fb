#include "harness/stats/kernels/position_counts.hpp"

#include <random>
#include <stdexcept>
#include <vector>

#include "harness/testing/instruction_sets.hpp"

namespace dropcheck::stats::kernels {
namespace {

using PositionCounts = testing::OnEachInstructionSet;
DROPCHECK_ON_EACH_INSTRUCTION_SET(PositionCounts);

std::vector<std::uint64_t> random_mask(std::uint64_t size, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::vector<std::uint64_t> words((size + 63) / 64);
  for (auto& word : words) word = engine() & engine();
  if (size % 64 != 0) words.back() &= (std::uint64_t{1} << (size % 64)) - 1;
  return words;
}

TEST_P(PositionCounts, EqualTheDefinition) {
  for (const std::uint64_t size :
       {0u, 1u, 63u, 64u, 65u, 1000u, 1023u, 1024u, 1025u, 7 * 1024u, 8 * 1024u, 9 * 1024u + 77, 100000u}) {
    for (const std::uint64_t first : {0u, 1u, 64u, 777u, 1023u, 1024u, 5000u}) {
      const auto words = random_mask(size, size + first);
      std::vector<std::uint64_t> expected(kLanes, 2), counts(kLanes, 2);
      for (std::uint64_t t = 0; t < size; ++t)
        expected[(first + t) % kLanes] += words[t / 64] >> (t % 64) & 1;
      position_counts(words, size, counts, first);
      ASSERT_EQ(counts, expected) << size << " " << first;
    }
  }
}

TEST_P(PositionCounts, DoNotOverflowInLongMasks) {
  for (const std::uint64_t rows : {2039u, 2040u, 2041u, 2048u, 4099u}) {
    const std::vector<std::uint64_t> words(16 * rows, ~std::uint64_t{0});
    std::vector<std::uint64_t> counts(kLanes, 0);
    position_counts(words, kLanes * rows, counts, 0);
    ASSERT_EQ(counts, std::vector<std::uint64_t>(kLanes, rows));
  }
}

TEST_P(PositionCounts, OfManyMasksAreAddedInBytes) {
  for (const std::size_t size : {0u, 1u, 63u, 64u, 65u, 130u, 1000u}) {
    std::vector<std::uint8_t> counts(size, 0), expected(size, 0);
    for (std::uint64_t mask = 0; mask < 255; ++mask) {
      auto words = random_mask(size, size + mask);
      if (!words.empty()) words[0] |= 1;
      add_bits(words, counts);
      for (std::size_t t = 0; t < size; ++t)
        expected[t] = static_cast<std::uint8_t>(expected[t] + (words[t / 64] >> (t % 64) & 1));
    }
    ASSERT_EQ(counts, expected);
    if (size > 0) {
      EXPECT_EQ(counts[0], 255);
    }
  }
}

TEST(PositionCountsGuards, RefuseSizesThatDoNotFit) {
  const std::vector<std::uint64_t> words(2);
  std::vector<std::uint64_t> lanes(kLanes), few(kLanes - 1);
  std::vector<std::uint8_t> bytes(129);
  EXPECT_THROW(position_counts(words, 128, few, 0), std::domain_error);
  EXPECT_THROW(position_counts(words, 129, lanes, 0), std::domain_error);
  EXPECT_THROW(add_bits(words, bytes), std::domain_error);
}

}  // namespace
}  // namespace dropcheck::stats::kernels
