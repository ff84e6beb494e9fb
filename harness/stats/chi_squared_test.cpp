#include "harness/stats/chi_squared.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/non_central_chi_squared.hpp>
#include <cmath>
#include <limits>
#include <optional>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

namespace dropcheck::stats {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(ChiSquaredTail, IsAFiniteSumForEvenDegrees) {
  // P(chi2_2k >= x) = exp(-x/2) sum_{j<k} (x/2)^j / j!
  for (const int k : {1, 2, 5, 20}) {
    for (const double x : {0.5, 3.0, 30.0, 200.0}) {
      long double term = 1;
      long double sum = 1;
      for (int j = 1; j < k; ++j) {
        term *= static_cast<long double>(x) / 2 / j;
        sum += term;
      }
      const long double expected = std::exp(-static_cast<long double>(x) / 2) * sum;
      EXPECT_NEAR(chi_squared_upper(x, 2 * k).p_value / static_cast<double>(expected), 1.0, 1e-12)
          << k << " " << x;
    }
  }
}

TEST(ChiSquaredTail, IsTheErrorFunctionForOneDegree) {
  for (const double z : {0.1, 1.0, 6.0, 20.0}) {
    EXPECT_NEAR(chi_squared_upper(z * z, 1).p_value / std::erfc(z / std::sqrt(2.0)), 1.0, 1e-12) << z;
  }
}

TEST(ChiSquaredTail, ReproducesCriticalValuesAtOneInABillion) {
  for (const auto& [degrees, critical] : std::vector<std::pair<double, double>>{
           {1, 37.32}, {2, 41.45}, {8, 58.31}, {32, 105.2}, {64, 156.6}, {256, 415.8}, {1024, 1319}}) {
    EXPECT_NEAR(chi_squared_upper(critical, degrees).log10_p, -9.0, 0.05) << degrees;
  }
}

TEST(ChiSquaredTail, StaysFiniteAndMonotoneBeyondUnderflow) {
  for (const double degrees : {1.0, 2.0, 64.0, 4096.0}) {
    double previous = 0.0;
    for (double x = degrees; x < 1e6; x *= 1.01) {
      const Tail tail = chi_squared_upper(x, degrees);
      EXPECT_TRUE(std::isfinite(tail.log10_p));
      EXPECT_LE(tail.log10_p, previous) << degrees << " " << x;
      previous = tail.log10_p;
    }
  }
}

TEST(ChiSquaredTail, BoundBeyondUnderflowIsValidAndTight) {
  // Two degrees have the tail exp(-x/2).
  const double x = 1e5;
  const double exact = -x / 2 / std::log(10.0);
  EXPECT_GE(chi_squared_upper(x, 2).log10_p, exact);
  EXPECT_LT(chi_squared_upper(x, 2).log10_p, exact + 6.0);
}

TEST(ChiSquaredTail, HandlesTheEndsOfTheRange) {
  EXPECT_EQ(chi_squared_upper(0.0, 3).p_value, 1.0);
  EXPECT_EQ(chi_squared_upper(kInfinity, 3).log10_p, -kInfinity);
  EXPECT_THROW(chi_squared_upper(std::nan(""), 3), std::domain_error);
  EXPECT_THROW(chi_squared_upper(1.0, 0), std::domain_error);
}

TEST(ChiSquaredNoncentrality, ReproducesTabulatedValues) {
  for (const auto& [degrees, lambda] : std::vector<std::pair<double, double>>{{1, 118.0},
                                                                              {4, 132.4},
                                                                              {16, 162.4},
                                                                              {64, 223.99},
                                                                              {256, 347.6},
                                                                              {1024, 593.0},
                                                                              {2016, 790},
                                                                              {32640, 2873},
                                                                              {65536, 4018}}) {
    EXPECT_NEAR(chi_squared_noncentrality(degrees, 1e-9, 1e-6) / lambda, 1.0, 6e-4) << degrees;
  }
}

TEST(ChiSquaredNoncentrality, IsTheSquareOfTheNormalFigureForOneDegree) {
  EXPECT_NEAR(std::sqrt(chi_squared_noncentrality(1, 1e-9, 1e-6)), 6.1094 + 4.7534, 1e-4);
}

TEST(ChiSquaredNoncentrality, GivesTheStatedPower) {
  for (const double degrees : {5.0, 100.0}) {
    const double lambda = chi_squared_noncentrality(degrees, 1e-3, 0.1);
    const boost::math::chi_squared_distribution<double> null_law(degrees);
    const double critical = boost::math::quantile(boost::math::complement(null_law, 1e-3));
    EXPECT_NEAR(boost::math::cdf(boost::math::non_central_chi_squared_distribution<double>(degrees, lambda),
                                 critical),
                0.1, 1e-9);
  }
}

TEST(ChiSquaredNoncentrality, ChangesEngineWithoutPromisingMore) {
  const double exact = chi_squared_noncentrality(3000, 1e-9, 1e-6);
  const double normal = chi_squared_noncentrality(3001, 1e-9, 1e-6);
  EXPECT_GT(normal, exact);
  EXPECT_LT(normal, exact * 1.025);
}

TEST(ChiSquaredNoncentrality, IsNilWhereChanceAloneSuffices) {
  EXPECT_EQ(chi_squared_noncentrality(10, 0.2, 0.9), 0.0);
  EXPECT_EQ(chi_squared_noncentrality(10000, 0.2, 0.9), 0.0);
}

TEST(ChiSquaredPlan, RoundTrips) {
  for (const double degrees : {1.0, 32.0, 1024.0, 5000.0}) {
    for (const double effect : {1e-2, 1e-3, 1e-4}) {
      const std::uint64_t n = chi_squared_min_samples(degrees, effect, 1e-9, 1e-6, 0.1);
      EXPECT_LE(chi_squared_min_effect(degrees, n, 1e-9, 1e-6, 0.1), effect);
      EXPECT_GT(chi_squared_min_effect(degrees, n - 1, 1e-9, 1e-6, 0.1), effect * (1 - 1e-12));
    }
  }
  EXPECT_EQ(chi_squared_min_effect(10, 0, 1e-9, 1e-6, 0.1), kInfinity);
}

TEST(Pearson, IsRefusedBelowItsVariance) {
  EXPECT_TRUE(pearson_is_valid(4000, 0.5));
  EXPECT_FALSE(pearson_is_valid(3999, 0.5));
  EXPECT_FALSE(pearson_is_valid(1e9, 0.0));
  EXPECT_FALSE(pearson_is_valid(1e9, std::nan("")));
  const std::vector<std::uint64_t> counts = {2000, 2000};
  EXPECT_FALSE(pearson_cells(counts, 3999, 0.5).has_value());
  EXPECT_FALSE(pearson_cells({}, 4000, 0.5).has_value());
}

TEST(Pearson, IsTheSquaredDeviationForOneCell) {
  const std::vector<std::uint64_t> counts = {5000 + 200};
  const std::optional<Tail> tail = pearson_cells(counts, 10000, 0.5);
  ASSERT_TRUE(tail.has_value());
  EXPECT_NEAR(tail->p_value, std::erfc(4.0 / std::sqrt(2.0)), 1e-12);
}

// P(sum over 32 cells of (c - tp)^2 >= critical), c ~ Bin(t, 0.1), by convolving the law of one square:
// exact, with tp an integer so that squares are. The last bin holds everything from the critical value on.
double pearson_tail_by_convolution(std::uint64_t trials, double critical) {
  const std::size_t top = static_cast<std::size_t>(std::ceil(critical));
  const std::int64_t mean = static_cast<std::int64_t>(trials / 10);
  std::vector<double> square(top + 1, 0.0);
  const boost::math::binomial_distribution<double> law(static_cast<double>(trials), 0.1);
  for (std::uint64_t c = 0; c <= trials; ++c) {
    const std::int64_t deviation = static_cast<std::int64_t>(c) - mean;
    const std::size_t bin = std::min(top, static_cast<std::size_t>(deviation * deviation));
    square[bin] += boost::math::pdf(law, static_cast<double>(c));
  }
  std::vector<std::size_t> occupied;
  for (std::size_t s = 0; s <= top; ++s) {
    if (square[s] > 1e-30) occupied.push_back(s);
  }
  std::vector<double> sum = {1.0};
  sum.resize(top + 1, 0.0);
  for (int cell = 0; cell < 32; ++cell) {
    std::vector<double> next(top + 1, 0.0);
    for (const std::size_t s : occupied) {
      for (std::size_t j = 0; j <= top; ++j) next[std::min(top, s + j)] += square[s] * sum[j];
    }
    sum = next;
  }
  return sum[top];
}

TEST(Pearson, IsWrongAtOneInABillionBelowItsVariance) {
  const boost::math::chi_squared_distribution<double> law(32);
  const double critical = boost::math::quantile(boost::math::complement(law, 1e-9));
  EXPECT_NEAR(pearson_tail_by_convolution(100, 9 * critical) / 1e-9, 16, 1);
  EXPECT_NEAR(pearson_tail_by_convolution(3000, 270 * critical) / 1e-9, 1.2, 0.05);
}

TEST(PooledChiSquared, MatchesHandComputation) {
  const std::vector<std::uint64_t> observed = {30, 50, 20};
  const std::vector<double> probabilities = {0.25, 0.5, 0.25};
  const std::optional<PooledChiSquared> result = pooled_chi_squared(observed, probabilities, 10);
  ASSERT_TRUE(result.has_value());
  EXPECT_NEAR(result->statistic, 2.0, 1e-12);  // (5^2 + 5^2) / 25
  EXPECT_EQ(result->cells, 3u);
  EXPECT_EQ(result->degrees_of_freedom, 2.0);
  EXPECT_NEAR(result->tail.p_value, std::exp(-1.0), 1e-12);
}

TEST(PooledChiSquared, PoolsBothEndsTowardsTheMode) {
  // Expected 1 2 4 86 4 2 1 with at least 6: {1+2+4}, {86}, {4+2+1}.
  const std::vector<std::uint64_t> observed = {0, 0, 14, 79, 0, 7, 0};
  const std::vector<double> probabilities = {0.01, 0.02, 0.04, 0.86, 0.04, 0.02, 0.01};
  const std::optional<PooledChiSquared> result = pooled_chi_squared(observed, probabilities, 6);
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->cells, 3u);
  EXPECT_NEAR(result->statistic, 49.0 / 7 + 49.0 / 86, 1e-12);
}

TEST(PooledChiSquared, LeavesNoCellBelowTheMinimum) {
  // Thin cells inside, a thin mode: every cell must join some neighbour.
  const std::vector<std::uint64_t> observed = {10, 10, 10, 10, 10, 10, 10, 10, 10, 10};
  const std::vector<double> probabilities(10, 0.1);
  EXPECT_EQ(pooled_chi_squared(observed, probabilities, 25)->cells, 3u);
  EXPECT_EQ(pooled_chi_squared(observed, probabilities, 50)->cells, 2u);
  EXPECT_FALSE(pooled_chi_squared(observed, probabilities, 51).has_value());
  EXPECT_FALSE(pooled_chi_squared({}, {}, 5).has_value());
}

TEST(PooledChiSquared, SeesACountInAnExcludedCell) {
  const std::vector<std::uint64_t> observed = {50, 49, 1};
  const std::vector<double> probabilities = {0.5, 0.5, 0.0};
  EXPECT_EQ(pooled_chi_squared(observed, probabilities, 10)->tail.log10_p, -kInfinity);
}

TEST(PooledChiSquared, RefusesProbabilitiesThatDoNotSumToOne) {
  const std::vector<std::uint64_t> observed = {50, 50};
  const std::vector<double> probabilities = {0.5, 0.4};
  EXPECT_THROW(pooled_chi_squared(observed, probabilities, 10), std::domain_error);
}

TEST(PooledChiSquared, RejectsAtItsNominalLevel) {
  std::mt19937_64 generator(20240501);
  const std::vector<double> probabilities = {0.4, 0.3, 0.2, 0.1};
  constexpr int kRuns = 4000;
  int rejected = 0;
  for (int run = 0; run < kRuns; ++run) {
    std::vector<std::uint64_t> observed(4, 0);
    for (int i = 0; i < 500; ++i) {
      const double u = static_cast<double>(generator() >> 11) * 0x1p-53;
      ++observed[u < 0.4 ? 0 : u < 0.7 ? 1 : u < 0.9 ? 2 : 3];
    }
    rejected += pooled_chi_squared(observed, probabilities, 20)->tail.p_value <= 0.01;
  }
  EXPECT_GE(rejected, 12);  // Bin(4000, 0.01): mean 40, standard deviation 6.3
  EXPECT_LE(rejected, 75);
}

}  // namespace
}  // namespace dropcheck::stats
