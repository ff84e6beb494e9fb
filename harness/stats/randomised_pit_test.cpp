#include "harness/stats/randomised_pit.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <random>
#include <set>
#include <stdexcept>
#include <vector>

#include "harness/stats/binomial.hpp"

namespace dropcheck::stats {
namespace {

TEST(KeyedUniform, StartsFromThePublishedSplitMix64Sequence) {
  // First output of SplitMix64 seeded with 0 is the finaliser of the golden gamma: 0xe220a8397b1dcdaf. That
  // value is the finalised key 0 here; with index -1 nothing is added before the second finaliser.
  const auto finalise = [](std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  };
  ASSERT_EQ(finalise(0x9e3779b97f4a7c15), 0xe220a8397b1dcdafULL);
  EXPECT_EQ(derived_key(0, ~std::uint64_t{0}), finalise(0xe220a8397b1dcdafULL));
}

TEST(KeyedUniform, LiesStrictlyInsideTheUnitInterval) {
  double sum = 0.0;
  std::set<double> seen;
  for (std::uint64_t i = 0; i < 10000; ++i) {
    const double u = keyed_uniform(7, i);
    ASSERT_GT(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u;
    seen.insert(u);
  }
  EXPECT_EQ(seen.size(), 10000u);
  EXPECT_NEAR(sum / 10000, 0.5, 6 * std::sqrt(1.0 / 12 / 10000));
}

TEST(KeyedUniform, DependsOnKeyAndIndexApart) {
  EXPECT_NE(keyed_uniform(1, 0), keyed_uniform(0, 1));
  EXPECT_NE(keyed_uniform(1, 5), keyed_uniform(2, 5));
  EXPECT_EQ(keyed_uniform(3, 9), keyed_uniform(3, 9));
}

TEST(RandomisedPit, TilesTheUnitInterval) {
  // The steps of neighbouring counts meet, so uniform v makes u uniform.
  for (const double p : {0.1, 0.5, 0.97}) {
    double reached = 0.0;
    for (std::uint64_t x = 0; x <= 30; ++x) {
      const PitStep step = randomised_pit_step(30, x, p);
      EXPECT_NEAR(step.below, reached, 1e-13);
      EXPECT_NEAR(step.below + step.at + step.above, 1.0, 1e-13);
      EXPECT_NEAR(randomised_pit_u(30, x, p, 0.25), step.below + 0.25 * step.at, 1e-15);
      reached += step.at;
    }
    EXPECT_NEAR(reached, 1.0, 1e-13);
  }
}

TEST(RandomisedPit, IsTheUniformItselfWithoutTrials) {
  EXPECT_EQ(randomised_pit_u(0, 0, 0.3, 0.125), 0.125);
  EXPECT_NEAR(randomised_pit_z(0, 0, 0.3, 0.5), 0.0, 1e-15);
}

TEST(RandomisedPit, NormalFormInvertsTheUniformForm) {
  for (std::uint64_t x = 0; x <= 12; ++x) {
    const double u = randomised_pit_u(40, x, 0.1, 0.7);
    const double z = randomised_pit_z(40, x, 0.1, 0.7);
    EXPECT_NEAR(0.5 * std::erfc(-z / std::sqrt(2.0)), u, 1e-14) << x;
  }
}

TEST(RandomisedPit, NormalFormIsOddUnderExchangeOfDropsAndKeeps) {
  for (const std::uint64_t x : {0u, 3u, 10u, 90u, 400u}) {
    EXPECT_NEAR(randomised_pit_z(400, x, 0.25, 0.3), -randomised_pit_z(400, 400 - x, 0.75, 0.7), 1e-9) << x;
  }
}

TEST(RandomisedPit, StaysFiniteAndMonotoneInBothTails) {
  double previous = randomised_pit_z(1 << 20, 0, 0.5, 0.5);
  for (std::uint64_t x = 4096; x <= 1 << 20; x += 4096) {
    const double z = randomised_pit_z(1 << 20, x, 0.5, 0.5);
    EXPECT_TRUE(std::isfinite(z));
    EXPECT_GE(z, previous) << x;
    previous = z;
  }
  // The tail of the last count is 2^-(2^20), and ln Q(z) = -z^2/2 - ln(z sqrt(2 pi)) nearly.
  const double depth = std::ldexp(std::log(2.0), 20);
  EXPECT_NEAR(previous * previous / 2 + std::log(previous * std::sqrt(2 * std::numbers::pi)), depth, 1.0);
  EXPECT_LE(previous, std::sqrt(2 * depth));
}

TEST(RandomisedPitChiSquared, SumsTheSquares) {
  const std::vector<std::uint64_t> counts = {3, 5, 3};
  const std::vector<std::uint64_t> trials = {30, 30, 40};
  double expected = 0.0;
  for (std::size_t j = 0; j < 3; ++j) {
    expected += std::pow(randomised_pit_z(trials[j], counts[j], 0.1, keyed_uniform(11, j)), 2);
  }
  const PitChiSquared result = randomised_pit_chi_squared(counts, trials, 0.1, 11);
  EXPECT_NEAR(result.statistic, expected, 1e-12);
  EXPECT_EQ(result.degrees_of_freedom, 3.0);
  EXPECT_STREQ(result.tail.engine, "randomised_pit_chi_squared");
}

TEST(RandomisedPitChiSquared, RejectsAtItsNominalLevelWherePearsonDoesNot) {
  // Variance 0.9 per cell: 32 cells of 10 trials at p = 0.1.
  std::mt19937_64 generator(424242);
  const std::vector<std::uint64_t> trials(32, 10);
  constexpr int kRuns = 4000;
  int rejected = 0;
  int pearson_rejected = 0;
  for (int run = 0; run < kRuns; ++run) {
    std::vector<std::uint64_t> counts(32, 0);
    double pearson = 0.0;
    for (std::uint64_t& count : counts) {
      for (int i = 0; i < 10; ++i) count += generator() < 1844674407370955162U;  // 2^64 / 10
      const double deviation = static_cast<double>(count) - 1.0;
      pearson += deviation * deviation / 0.9;
    }
    rejected += randomised_pit_chi_squared(counts, trials, 0.1, generator()).tail.p_value <= 0.01;
    pearson_rejected += pearson >= 53.486;  // chi2_32 at 0.01
  }
  EXPECT_GE(rejected, 12);  // Bin(4000, 0.01): mean 40, standard deviation 6.3
  EXPECT_LE(rejected, 75);
  EXPECT_GT(pearson_rejected, 75);
}

TEST(RandomisedPitChiSquared, CatchesOneDeadLane) {
  std::vector<std::uint64_t> counts(64, 100);
  const std::vector<std::uint64_t> trials(64, 1000);
  EXPECT_GT(randomised_pit_chi_squared(counts, trials, 0.1, 1).tail.p_value, 1e-6);
  counts[31] = 0;
  EXPECT_LT(randomised_pit_chi_squared(counts, trials, 0.1, 1).tail.p_value, 1e-12);
}

TEST(RandomisedPitChiSquared, RefusesRatesWithoutSpread) {
  const std::vector<std::uint64_t> counts = {0};
  const std::vector<std::uint64_t> trials = {10};
  EXPECT_THROW(randomised_pit_chi_squared(counts, trials, 0.0, 1), std::domain_error);
  EXPECT_THROW(randomised_pit_chi_squared({}, {}, 0.5, 1), std::domain_error);
}

}  // namespace
}  // namespace dropcheck::stats
