#include "harness/stats/binomial.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace dropcheck::stats {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// All n + 1 probabilities by the multiplicative recurrence, in long double: shares nothing with the library.
std::vector<long double> enumerate(std::uint64_t n, double p) {
  std::vector<long double> pmf(n + 1);
  pmf[0] = std::pow(1.0L - static_cast<long double>(p), static_cast<long double>(n));
  for (std::uint64_t k = 1; k <= n; ++k) {
    pmf[k] = pmf[k - 1] * static_cast<long double>(n - k + 1) / static_cast<long double>(k) *
             (static_cast<long double>(p) / (1.0L - static_cast<long double>(p)));
  }
  return pmf;
}

TEST(BinomialTail, MatchesEnumerationForSmallN) {
  for (const auto& [n, p] :
       std::vector<std::pair<std::uint64_t, double>>{{1, 0.5}, {7, 0.1}, {40, 0.3}, {200, 0.9}}) {
    const std::vector<long double> pmf = enumerate(n, p);
    for (std::uint64_t x = 0; x <= n; ++x) {
      long double lower = 0;
      long double upper = 0;
      for (std::uint64_t k = 0; k <= x; ++k) lower += pmf[k];
      for (std::uint64_t k = n + 1; k-- > x;) upper += pmf[k];
      const double expected = static_cast<double>(std::min(1.0L, 2 * std::min(lower, upper)));
      const Tail tail = binomial_two_sided(n, x, p);
      EXPECT_NEAR(tail.p_value / expected, 1.0, 1e-11) << n << " " << p << " " << x;
      EXPECT_NEAR(tail.log10_p, std::log10(expected), 1e-11);
      EXPECT_STREQ(tail.engine, "binomial_exact");
    }
  }
}

TEST(BinomialTail, IsASinglePowerAtTheEnds) {
  EXPECT_NEAR(binomial_two_sided(100, 0, 0.1).log10_p, std::log10(2.0) + 100 * std::log10(0.9), 1e-12);
  EXPECT_NEAR(binomial_two_sided(100, 100, 0.1).log10_p, std::log10(2.0) - 100, 1e-12);
}

TEST(BinomialTail, HasNoViolationsToSpareAtRateZeroAndOne) {
  EXPECT_EQ(binomial_two_sided(1000, 0, 0.0).p_value, 1.0);
  EXPECT_EQ(binomial_two_sided(1000, 1000, 1.0).p_value, 1.0);
  for (const Tail& tail : {binomial_two_sided(1000, 1, 0.0), binomial_two_sided(1000, 999, 1.0)}) {
    EXPECT_EQ(tail.p_value, 0.0);
    EXPECT_EQ(tail.log10_p, -kInfinity);
  }
}

TEST(BinomialTail, SaysNothingAboutNoTrials) {
  EXPECT_EQ(binomial_two_sided(0, 0, 0.3).p_value, 1.0);
  EXPECT_EQ(binomial_two_sided(0, 0, 0.0).p_value, 1.0);
}

TEST(BinomialTail, MatchesNormalTailAtTwentyDeviationsForLargeN) {
  // log10 of Q(20) = 2.7536e-89 (Abramowitz & Stegun 26.2.12 continued fraction), doubled.
  const std::uint64_t n = std::uint64_t{1} << 34;
  const std::uint64_t x = n / 2 + 10 * (std::uint64_t{1} << 17);
  EXPECT_NEAR(binomial_two_sided(n, x, 0.5).log10_p, std::log10(2 * 2.7536241186e-89), 1e-4);
  EXPECT_NEAR(binomial_chernoff_log10(n, x, 0.5), std::log10(2.0) - 200 / std::log(10.0), 1e-4);
}

TEST(BinomialTail, NeverExceedsTheChernoffBound) {
  const std::uint64_t n = std::uint64_t{1} << 24;
  for (const double p : {0.5, 0.1, 0.001}) {
    for (const double z : {-37.0, -20.0, -5.0, -1.0, 0.0, 1.0, 5.0, 20.0, 35.0}) {
      const double count =
          std::round(static_cast<double>(n) * p + z * std::sqrt(static_cast<double>(n) * p * (1 - p)));
      const std::uint64_t x = static_cast<std::uint64_t>(count);
      EXPECT_LE(binomial_two_sided(n, x, p).log10_p, binomial_chernoff_log10(n, x, p) + 1e-12)
          << p << " " << z;
    }
  }
}

TEST(BinomialTail, StaysFiniteAndMonotoneBeyondUnderflow) {
  const std::uint64_t n = std::uint64_t{1} << 24;
  double previous = 0.0;
  bool chernoff_seen = false;
  for (std::uint64_t x = n / 2; x <= n; x += n / 4096) {
    const Tail tail = binomial_two_sided(n, x, 0.5);
    EXPECT_TRUE(std::isfinite(tail.log10_p));
    EXPECT_LE(tail.log10_p, previous) << x;
    previous = tail.log10_p;
    chernoff_seen = chernoff_seen || std::string(tail.engine) == "binomial_chernoff";
  }
  EXPECT_TRUE(chernoff_seen);
  EXPECT_NEAR(previous, std::log10(2.0) - static_cast<double>(n) * std::log10(2.0), 1e-6);  // x = n: 2 * 2^-n
}

TEST(BinomialTail, RefusesImpossibleArguments) {
  EXPECT_THROW(binomial_two_sided(10, 11, 0.5), std::domain_error);
  EXPECT_THROW(binomial_two_sided(10, 5, std::nan("")), std::domain_error);
  EXPECT_THROW(binomial_two_sided(10, 5, 1.5), std::domain_error);
}

TEST(ClopperPearson, IsClosedFormWithoutDrops) {
  const Interval interval = clopper_pearson(50, 0, 0.01);
  EXPECT_EQ(interval.lower, 0.0);
  EXPECT_NEAR(interval.upper, 1 - std::pow(0.005, 1.0 / 50), 1e-12);
  EXPECT_EQ(clopper_pearson(50, 50, 0.01).upper, 1.0);
}

TEST(ClopperPearson, EndsWhereTheTestBeginsToReject) {
  const double alpha = 1e-9;
  for (const auto& [n, x] : std::vector<std::pair<std::uint64_t, std::uint64_t>>{
           {20, 3}, {1000, 100}, {1 << 20, 104000}, {std::uint64_t{1} << 30, 1 << 27}}) {
    const Interval interval = clopper_pearson(n, x, alpha);
    EXPECT_NEAR(binomial_two_sided(n, x, interval.lower).p_value / alpha, 1.0, 1e-4);
    EXPECT_NEAR(binomial_two_sided(n, x, interval.upper).p_value / alpha, 1.0, 1e-4);
    EXPECT_GT(binomial_two_sided(n, x, (interval.lower + interval.upper) / 2).p_value, alpha);
    EXPECT_LT(binomial_two_sided(n, x, interval.lower * 0.99).p_value, alpha);
    EXPECT_LT(binomial_two_sided(n, x, interval.upper * 1.01).p_value, alpha);
  }
}

TEST(ClopperPearson, WorksAtTheLargestNumbersOfTrials) {
  const std::uint64_t n = std::uint64_t{1} << 44;
  const Interval interval = clopper_pearson(n, n / 4, 1e-9);
  const double half_width = 6.1094 * std::sqrt(0.1875 / static_cast<double>(n));
  EXPECT_NEAR((0.25 - interval.lower) / half_width, 1.0, 1e-3);
  EXPECT_NEAR((interval.upper - 0.25) / half_width, 1.0, 1e-3);
}

TEST(ClopperPearson, CoversAtItsLevelByEnumeration) {
  const std::uint64_t n = 60;
  for (const double p : {0.1, 0.37, 0.5}) {
    const std::vector<long double> pmf = enumerate(n, p);
    long double missed = 0;
    for (std::uint64_t x = 0; x <= n; ++x) {
      const Interval interval = clopper_pearson(n, x, 0.05);
      if (p < interval.lower || p > interval.upper) missed += pmf[x];
    }
    EXPECT_LE(missed, 0.05L);
    EXPECT_GT(missed, 0.005L);
  }
}

// Probability of rejection at the true rate, summed over all counts.
double power(std::uint64_t n, double alpha, double p, double truth) {
  const std::vector<long double> pmf = enumerate(n, truth);
  long double rejected = 0;
  for (std::uint64_t x = 0; x <= n; ++x) {
    if (binomial_two_sided(n, x, p).p_value <= alpha) rejected += pmf[x];
  }
  return static_cast<double>(rejected);
}

TEST(BinomialMinEffect, IsTheShiftAtWhichEnumeratedPowerIsReached) {
  const double alpha = 1e-3;
  const double beta = 1e-2;
  for (const auto& [n, p] :
       std::vector<std::pair<std::uint64_t, double>>{{200, 0.5}, {400, 0.3}, {300, 0.6}}) {
    const double effect = binomial_min_effect(n, alpha, beta, p);
    const double up = power(n, alpha, p, p + effect);
    const double down = power(n, alpha, p, p - effect);
    EXPECT_NEAR(std::min(up, down), 1 - beta, 1e-6) << n << " " << p;
    EXPECT_LT(std::min(power(n, alpha, p, p + 0.98 * effect), power(n, alpha, p, p - 0.98 * effect)),
              1 - beta);
  }
}

TEST(BinomialMinEffect, ApproachesTheFirstOrderFormula) {
  // (6.1094 + 4.7534) sqrt(0.09 / n)
  for (const std::uint64_t n : {std::uint64_t{1} << 30, std::uint64_t{1} << 34}) {
    const double first_order = 10.8628 * std::sqrt(0.09 / static_cast<double>(n));
    EXPECT_NEAR(binomial_min_effect(n, 1e-9, 1e-6, 0.1) / first_order, 1.0, 1e-3);
  }
}

TEST(BinomialMinEffect, IsInfiniteWhereNothingCanBeRejected) {
  EXPECT_EQ(binomial_min_effect(0, 1e-9, 1e-6, 0.1), kInfinity);
  EXPECT_EQ(binomial_min_effect(8, 1e-9, 1e-6, 0.1), kInfinity);  // 2 * 0.1^8 > 1e-9
}

TEST(BinomialMinEffect, LooksOnlyUpwardsWhereTheRateCannotFall) {
  // 20 elements at p = 0.1 keep all with probability 0.12, yet a rate near 1 is plain.
  const double effect = binomial_min_effect(20, 1e-9, 1e-6, 0.1);
  EXPECT_GT(effect, 0.1);
  EXPECT_LT(effect, 0.9);
  EXPECT_NEAR(power(20, 1e-9, 0.1, 0.1 + effect), 1 - 1e-6, 1e-9);
}

TEST(BinomialMinEffect, IsClosedFormAtRateZeroAndOne) {
  const double effect = binomial_min_effect(1000, 1e-9, 1e-6, 0.0);
  EXPECT_NEAR(std::pow(1 - effect, 1000), 1e-6, 1e-12);
  EXPECT_EQ(effect, binomial_min_effect(1000, 1e-9, 1e-6, 1.0));
  const std::uint64_t n = binomial_min_samples(effect, 1e-9, 1e-6, 0.0);
  EXPECT_NEAR(static_cast<double>(n), 1000.0, 1.0);
}

TEST(BinomialMinEffect, IsTheSameForDropsAndKeeps) {
  EXPECT_NEAR(binomial_min_effect(100000, 1e-9, 1e-6, 0.25), binomial_min_effect(100000, 1e-9, 1e-6, 0.75),
              1e-12);
}

TEST(BinomialMinSamples, AgreesWithExactFiguresWithinItsMargin) {
  // Smallest n with the stated power, by exact bisection elsewhere; the margin of one count adds 2 / (effect
  // n).
  for (const auto& [p, effect, exact] : std::vector<std::tuple<double, double, double>>{
           {0.1, 1e-2, 1.1072e5}, {0.1, 1e-3, 1.0666e7}, {0.1, 1e-4, 1.0625e9}, {0.5, 1e-4, 2.950e9}}) {
    const double n = static_cast<double>(binomial_min_samples(effect, 1e-9, 1e-6, p));
    EXPECT_NEAR(n / exact, 1.0, 2 / (effect * exact) + 2e-4) << p << " " << effect;
  }
}

TEST(BinomialMinSamples, SufficesForEveryLargerNumber) {
  for (const auto& [p, effect] :
       std::vector<std::pair<double, double>>{{0.1, 0.05}, {0.5, 0.1}, {0.01, 0.008}, {0.9, 0.2}}) {
    const std::uint64_t n = binomial_min_samples(effect, 1e-9, 1e-6, p);
    for (std::uint64_t more = 0; more < 500; ++more) {
      EXPECT_LE(binomial_min_effect(n + more, 1e-9, 1e-6, p), effect) << p << " " << effect << " " << more;
    }
    EXPECT_GT(binomial_min_effect(n - n / 16, 1e-9, 1e-6, p), effect);
  }
}

}  // namespace
}  // namespace dropcheck::stats
