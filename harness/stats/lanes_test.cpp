#include "harness/stats/lanes.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <stdexcept>
#include <vector>

namespace dropcheck::stats {
namespace {

// Counts with the binomial mean and variance; a normal draw is close enough at variance 1000 and more.
std::vector<std::uint64_t> draw(std::mt19937_64& generator, const std::vector<std::uint64_t>& trials,
                                double p) {
  std::vector<std::uint64_t> counts(trials.size());
  std::normal_distribution<double> normal;
  for (std::size_t j = 0; j < trials.size(); ++j) {
    const double n = static_cast<double>(trials[j]);
    counts[j] =
        static_cast<std::uint64_t>(std::llround(n * p + normal(generator) * std::sqrt(n * p * (1 - p))));
  }
  return counts;
}

double sum_of_squares(const std::vector<std::uint64_t>& counts, const std::vector<std::uint64_t>& trials,
                      std::size_t modulus, double p) {
  std::vector<double> c(modulus, 0.0);
  std::vector<double> n(modulus, 0.0);
  for (std::size_t j = 0; j < counts.size(); ++j) {
    c[j % modulus] += static_cast<double>(counts[j]);
    n[j % modulus] += static_cast<double>(trials[j]);
  }
  double sum = 0.0;
  for (std::size_t j = 0; j < modulus; ++j)
    sum += (c[j] - n[j] * p) * (c[j] - n[j] * p) / (n[j] * p * (1 - p));
  return sum;
}

TEST(NestedLanes, IncrementIsTheDifferenceOfSumsOfSquaresForUnequalTrials) {
  std::mt19937_64 generator(1);
  std::vector<std::uint64_t> trials(kLanes, 20000);
  for (std::size_t j = 0; j < 333; ++j) ++trials[j];
  const std::vector<std::uint64_t> counts = draw(generator, trials, 0.1);
  const std::vector<LaneTest> tests = nested_lanes(counts, trials, 0.1, 5);
  ASSERT_EQ(tests.size(), 10u);
  for (const LaneTest& test : tests) {
    const std::size_t m = test.modulus;
    EXPECT_NEAR(test.statistic,
                sum_of_squares(counts, trials, m, 0.1) - sum_of_squares(counts, trials, m / 2, 0.1), 1e-7);
    EXPECT_EQ(test.degrees_of_freedom, static_cast<double>(m / 2));
    EXPECT_STREQ(test.tail.engine, "chi_squared");
  }
}

TEST(NestedLanes, UsesExactLawsWhereLanesAreThin) {
  // 0.09 * 2048 = 184 per lane at modulus 1024; 1474 at 128 lanes, 737 at 256.
  const std::vector<std::uint64_t> trials(kLanes, 2048);
  const std::vector<std::uint64_t> counts(kLanes, 205);
  for (const LaneTest& test : nested_lanes(counts, trials, 0.1, 5)) {
    const bool thin = test.modulus > 128;
    EXPECT_STREQ(test.tail.engine, thin ? "randomised_pit_chi_squared" : "chi_squared") << test.modulus;
    EXPECT_EQ(test.degrees_of_freedom, static_cast<double>(thin ? test.modulus : test.modulus / 2));
  }
}

TEST(NestedLanes, RejectsAtItsNominalLevel) {
  std::mt19937_64 generator(77);
  const std::vector<std::uint64_t> trials(kLanes, 20000);
  int rejected = 0;
  for (int run = 0; run < 200; ++run) {
    for (const LaneTest& test : nested_lanes(draw(generator, trials, 0.1), trials, 0.1, generator())) {
      rejected += test.tail.p_value <= 0.01;
    }
  }
  EXPECT_GE(rejected, 3);  // Bin(2000, 0.01): mean 20, standard deviation 4.4
  EXPECT_LE(rejected, 45);
}

TEST(NestedLanes, OneLaneOfThirtyTwoShowsAtThatPeriod) {
  std::mt19937_64 generator(8);
  const std::vector<std::uint64_t> trials(kLanes, 20000);
  std::vector<std::uint64_t> counts = draw(generator, trials, 0.1);
  // Lanes 15 and 31 modulo 32 differ, their sum does not: invisible to every coarser modulus.
  for (std::size_t j = 31; j < kLanes; j += 32) counts[j] += 150;
  for (std::size_t j = 15; j < kLanes; j += 32) counts[j] -= 150;
  for (const LaneTest& test : nested_lanes(counts, trials, 0.1, 5)) {
    if (test.modulus == 32) {
      EXPECT_LT(test.tail.log10_p, -50.0);
    } else {
      EXPECT_GT(test.tail.log10_p, -6.0) << test.modulus;
    }
  }
}

TEST(NestedLanes, IgnoresACommonShiftOfTheRate) {
  const std::vector<std::uint64_t> trials(kLanes, 20000);
  const std::vector<std::uint64_t> counts(kLanes, 3000);
  for (const LaneTest& test : nested_lanes(counts, trials, 0.1, 5)) {
    EXPECT_NEAR(test.statistic, 0.0, 1e-9);
    EXPECT_EQ(test.modulus, std::bit_floor(test.modulus));
  }
}

TEST(NestedLanes, IsEmptyForRatesWithoutSpread) {
  const std::vector<std::uint64_t> trials(kLanes, 20000);
  const std::vector<std::uint64_t> counts(kLanes, 0);
  EXPECT_TRUE(nested_lanes(counts, trials, 0.0, 5).empty());
  EXPECT_TRUE(nested_lanes(counts, trials, 1.0, 5).empty());
}

TEST(NestedLanes, RefusesOtherNumbersOfLanes) {
  const std::vector<std::uint64_t> short_span(512, 1);
  EXPECT_THROW(nested_lanes(short_span, short_span, 0.5, 5), std::domain_error);
}

}  // namespace
}  // namespace dropcheck::stats
