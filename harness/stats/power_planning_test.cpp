#include "harness/stats/power_planning.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "harness/stats/binomial.hpp"

namespace dropcheck::stats {
namespace {

constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();

TEST(MinBlocks, IsTheFirstThatSuffices) {
  for (std::uint64_t wanted = 1; wanted <= 300; ++wanted) {
    const auto effect = [&](std::uint64_t blocks) { return blocks >= wanted ? 0.5 : 2.0; };
    EXPECT_EQ(min_blocks(effect, 1.0, kMost), wanted);
    EXPECT_EQ(min_blocks(effect, 1.0, wanted), wanted);
    if (wanted > 1) {
      EXPECT_EQ(min_blocks(effect, 1.0, wanted - 1), std::nullopt);
    }
  }
}

TEST(MinBlocks, ReachesTheEndOfItsRange) {
  const auto last = [](std::uint64_t blocks) { return blocks == kMost ? 0.5 : 2.0; };
  EXPECT_EQ(min_blocks(last, 1.0, kMost), kMost);
  EXPECT_EQ(min_blocks(last, 1.0, kMost - 1), std::nullopt);
}

TEST(MinBlocks, LooksALogarithmicNumberOfTimes) {
  int calls = 0;
  const auto effect = [&](std::uint64_t blocks) {
    ++calls;
    return 1.0 / std::sqrt(static_cast<double>(blocks));
  };
  EXPECT_EQ(min_blocks(effect, 1e-3, kMost), 1000000u);
  EXPECT_LE(calls, 42);
}

TEST(MinBlocks, IsEmptyWhereNothingSuffices) {
  EXPECT_EQ(min_blocks([](std::uint64_t) { return 1.0; }, 0.5, kMost), std::nullopt);
  EXPECT_EQ(min_blocks([](std::uint64_t) { return std::numeric_limits<double>::infinity(); }, 1e300, 1000),
            std::nullopt);
  EXPECT_EQ(min_blocks([](std::uint64_t) { return 0.0; }, 0.0, kMost), std::nullopt);
}

TEST(MinBlocks, AgreesWithThePlannedNumberOfTrials) {
  // binomial_min_samples keeps one count in hand, so it is the larger, by a little.
  const std::uint64_t entries = 4096;
  const auto effect = [&](std::uint64_t blocks) {
    return binomial_min_effect(blocks * entries, 1e-9, 1e-6, 0.1);
  };
  const auto blocks = min_blocks(effect, 1e-3, kMost);
  ASSERT_TRUE(blocks);
  const double planned = static_cast<double>(binomial_min_samples(1e-3, 1e-9, 1e-6, 0.1));
  EXPECT_LE(static_cast<double>((*blocks - 1) * entries), planned);
  EXPECT_NEAR(static_cast<double>(*blocks * entries) / planned, 1.0, 1e-3);
  EXPECT_LE(effect(*blocks), 1e-3);
  EXPECT_GT(effect(*blocks - 1), 1e-3);
}

TEST(MinBlocks, RefusesNonsense) {
  const auto effect = [](std::uint64_t) { return 1.0; };
  EXPECT_THROW(min_blocks(effect, std::nan(""), 10), std::domain_error);
  EXPECT_THROW(min_blocks(effect, 1.0, 0), std::domain_error);
  EXPECT_THROW(min_blocks([](std::uint64_t) { return std::nan(""); }, 1.0, 10), std::domain_error);
}

}  // namespace
}  // namespace dropcheck::stats
