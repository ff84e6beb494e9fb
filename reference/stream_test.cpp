#include "reference/stream.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "reference/philox.hpp"

namespace dropcheck::reference {
namespace {

std::vector<std::uint8_t> mask(std::uint64_t seed, std::uint64_t call, double p, std::size_t size) {
  std::vector<std::uint8_t> kept(size, 2);
  draw_mask(seed, call, p, kept);
  return kept;
}

TEST(DropThreshold, IsTheNumberOfWordsBelowP) {
  EXPECT_EQ(drop_threshold(0.0), 0u);
  EXPECT_EQ(drop_threshold(std::numeric_limits<double>::denorm_min()), 1u);
  EXPECT_EQ(drop_threshold(std::ldexp(1.0, -32)), 1u);
  EXPECT_EQ(drop_threshold(std::nextafter(std::ldexp(1.0, -32), 1.0)), 2u);
  EXPECT_EQ(drop_threshold(0.5), std::uint64_t{1} << 31);
  EXPECT_EQ(drop_threshold(std::nextafter(1.0, 0.0)), std::uint64_t{1} << 32);
  EXPECT_EQ(drop_threshold(1.0), std::uint64_t{1} << 32);
}

TEST(DropThreshold, EqualsTheComparisonOfRealNumbers) {
  for (const double p : {1e-9, 0.1, 0.2, 1.0 / 3.0, 0.7, 0.999}) {
    const std::uint64_t t = drop_threshold(p);
    EXPECT_LT(std::ldexp(static_cast<double>(t - 1), -32), p);  // the last word that drops
    EXPECT_GE(std::ldexp(static_cast<double>(t), -32), p);      // the first that keeps; both sides are exact
  }
}

TEST(DrawMask, TakesTheDocumentedWords) {
  // Seed 0, call 0: the first four words are the published vector 6627e8d5 e169c58d bc57ac4c 9b00dbd8.
  EXPECT_EQ(mask(0, 0, 0.5, 4), (std::vector<std::uint8_t>{0, 1, 1, 1}));
  EXPECT_EQ(mask(0, 0, 0.7, 4), (std::vector<std::uint8_t>{0, 1, 1, 0}));
  const std::uint64_t seed = 0x299f31d0a4093822, call = 0x0370734413198a2e;
  const auto kept = mask(seed, call, 0.3, 1003);
  for (std::uint32_t i = 0; i < kept.size(); ++i) {
    const auto words = philox4x32_10({i / 4, 0, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0});
    EXPECT_EQ(kept[i], words[i % 4] * std::ldexp(1.0, -32) < 0.3 ? 0 : 1);
  }
}

TEST(DrawMask, PrefixesAgreeWhateverTheSize) {
  const auto longest = mask(7, 3, 0.4, 64);
  for (std::size_t size = 0; size < longest.size(); ++size) {
    const auto shorter = mask(7, 3, 0.4, size);
    EXPECT_TRUE(std::equal(shorter.begin(), shorter.end(), longest.begin()));
  }
}

TEST(DrawMask, KeptSetsAreNestedInP) {
  const auto few = mask(11, 0, 0.7, 4096), many = mask(11, 0, 0.3, 4096);
  for (std::size_t i = 0; i < few.size(); ++i) EXPECT_LE(few[i], many[i]);
}

TEST(DrawMask, BothHalvesOfSeedAndCallMatter) {
  const auto base = mask(1, 1, 0.5, 256);
  EXPECT_NE(mask(2, 1, 0.5, 256), base);
  EXPECT_NE(mask(1 | std::uint64_t{1} << 40, 1, 0.5, 256), base);
  EXPECT_NE(mask(1, 2, 0.5, 256), base);
  EXPECT_NE(mask(1, 1 | std::uint64_t{1} << 40, 0.5, 256), base);
  EXPECT_EQ(mask(1, 1, 0.5, 256), base);
}

TEST(DrawMask, RateIsP) {
  constexpr std::size_t kSize = 1u << 20;
  for (const double p : {0.1, 0.5, 0.9}) {
    const auto kept = mask(5, 0, p, kSize);
    const auto total = std::accumulate(kept.begin(), kept.end(), std::uint64_t{0});
    // Six standard deviations of Binomial(n, q); the mask is fixed, so this cannot fail by chance later.
    EXPECT_NEAR(static_cast<double>(total), kSize * (1 - p), 6 * std::sqrt(kSize * p * (1 - p)));
  }
}

TEST(DrawMask, EndsOfTheRange) {
  EXPECT_EQ(mask(1, 0, 0.0, 9), std::vector<std::uint8_t>(9, 1));
  EXPECT_EQ(mask(1, 0, 1.0, 9), std::vector<std::uint8_t>(9, 0));
  EXPECT_TRUE(mask(1, 0, 0.5, 0).empty());
}

}  // namespace
}  // namespace dropcheck::reference
