#include "harness/stats/hypergeometric.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/math/distributions/hypergeometric.hpp>
#include <boost/multiprecision/cpp_bin_float.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

namespace dropcheck::stats {
namespace {

using Real = boost::multiprecision::cpp_bin_float_50;

constexpr std::uint64_t power_of_two(unsigned exponent) { return std::uint64_t{1} << exponent; }

// Number of subsets, exact to 50 digits by the product formula.
Real choose(std::uint64_t n, std::uint64_t k) {
  Real product = 1;
  for (std::uint64_t i = 1; i <= std::min(k, n - k); ++i)
    product = product * Real(n - std::min(k, n - k) + i) / Real(i);
  return product;
}

std::vector<Real> all_probabilities(std::uint64_t n, std::uint64_t a, std::uint64_t b) {
  std::vector<Real> pmf(std::min(a, b) + 1, Real(0));
  for (std::uint64_t x = a + b > n ? a + b - n : 0; x < pmf.size(); ++x)
    pmf[x] = choose(a, x) * choose(n - a, b - x) / choose(n, b);
  return pmf;
}

TEST(Hypergeometric, MatchesEnumerationForSmallMasks) {
  for (const auto& [n, a, b] : std::vector<std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>>{
           {1, 1, 0}, {2, 1, 1}, {9, 4, 7}, {40, 4, 36}, {60, 30, 30}, {150, 20, 90}, {300, 299, 298}}) {
    const std::vector<Real> pmf = all_probabilities(n, a, b);
    for (std::uint64_t x = a + b > n ? a + b - n : 0; x < pmf.size(); ++x) {
      Real lower = 0, upper = 0;
      for (std::uint64_t k = 0; k < pmf.size(); ++k) (k <= x ? lower : upper) += pmf[k];
      upper += pmf[x];
      const double expected = std::min(1.0, static_cast<double>(2 * std::min(lower, upper)));
      const Tail tail = hypergeometric_two_sided(n, a, b, x);
      EXPECT_NEAR(tail.p_value / expected, 1.0, 1e-12) << n << " " << a << " " << b << " " << x;
      EXPECT_NEAR(std::exp(hypergeometric_ln_pmf(n, a, b, x)) / static_cast<double>(pmf[x]), 1.0, 1e-12);
    }
  }
}

// The other tail than the smaller one is never summed: both sides, and the mirror images, must agree.
TEST(Hypergeometric, IsTheSameForKeepsAndForExchangedMasks) {
  std::mt19937_64 engine(7);
  for (int round = 0; round < 200; ++round) {
    const std::uint64_t n = 2 + engine() % power_of_two(10 + static_cast<unsigned>(engine() % 40));
    const std::uint64_t a = engine() % (n + 1), b = engine() % (n + 1);
    const double mean = static_cast<double>(a) * static_cast<double>(b) / static_cast<double>(n);
    const double v = mean * (1 - static_cast<double>(a) / static_cast<double>(n)) *
                     (1 - static_cast<double>(b) / static_cast<double>(n));
    const double z = static_cast<double>(engine() % 2001) / 100 - 10;
    const std::uint64_t lowest = a + b > n ? a + b - n : 0;
    const double wanted = std::round(std::max(static_cast<double>(lowest), mean + z * std::sqrt(v)));
    const std::uint64_t x = std::clamp(static_cast<std::uint64_t>(wanted), lowest, std::min(a, b));
    const double log10_p = hypergeometric_two_sided(n, a, b, x).log10_p;
    EXPECT_NEAR(log10_p, hypergeometric_two_sided(n, b, a, x).log10_p, 1e-9);
    EXPECT_NEAR(log10_p, hypergeometric_two_sided(n, n - a, n - b, n - a - b + x).log10_p, 1e-9);
    EXPECT_NEAR(log10_p, hypergeometric_two_sided(n, a, n - b, a - x).log10_p, 1e-9);
  }
}

TEST(Hypergeometric, MatchesBoostToTwoToTheThirty) {
  for (const unsigned exponent : {12u, 20u, 26u, 30u}) {
    for (const double p : {0.5, 0.1, 0.01}) {
      const std::uint64_t n = power_of_two(exponent);
      const auto a = static_cast<std::uint64_t>(static_cast<double>(n) * p), b = a + a / 100;
      const double mean = static_cast<double>(a) * static_cast<double>(b) / static_cast<double>(n);
      const double deviation = std::sqrt(mean * (1 - p) * (1 - 1.01 * p));
      for (const double z : {-8.0, -6.0, -1.0, 0.2, 3.0, 6.0, 8.0}) {
        const auto x = static_cast<std::uint64_t>(std::max(0.0, std::round(mean + z * deviation)));
        // Its parameters are the drops, the entries drawn and all entries.
        const boost::math::hypergeometric_distribution<double> law(
            static_cast<std::uint32_t>(a), static_cast<std::uint32_t>(b), static_cast<std::uint32_t>(n));
        const double lower = boost::math::cdf(law, static_cast<double>(x));
        const double upper =
            x == 0 ? 1.0 : boost::math::cdf(boost::math::complement(law, static_cast<double>(x - 1)));
        const double expected = std::min(1.0, 2 * std::min(lower, upper));
        EXPECT_NEAR(hypergeometric_two_sided(n, a, b, x).p_value / expected, 1.0, 2e-10)
            << n << " " << p << " " << z;
      }
    }
  }
}

// Beyond the reach of Boost: the first term from 50-digit gamma functions, the rest by the term ratio.
TEST(Hypergeometric, MatchesFiftyDigitsForTheLargestMasks) {
  const auto ln_factorial = [](std::uint64_t k) { return boost::multiprecision::lgamma(Real(k) + 1); };
  for (const auto& [n, a, b, z] :
       std::vector<std::tuple<std::uint64_t, std::uint64_t, std::uint64_t, double>>{
           {power_of_two(32) + 1, power_of_two(31), power_of_two(30), 6.0},
           {power_of_two(36), power_of_two(33), power_of_two(33), 10.0},
           {power_of_two(36), power_of_two(32), power_of_two(33), -7.0},
           {power_of_two(44), power_of_two(36), power_of_two(37), 5.5},
           {power_of_two(53), power_of_two(40), power_of_two(46), 30.0},
           {power_of_two(53), power_of_two(27), power_of_two(28), 1.0}}) {
    const double mean = static_cast<double>(a) * static_cast<double>(b) / static_cast<double>(n);
    const double share_a = static_cast<double>(a) / static_cast<double>(n);
    const double share_b = static_cast<double>(b) / static_cast<double>(n);
    const double value = std::round(mean + z * std::sqrt(mean * (1 - share_a) * (1 - share_b)));
    const auto x = static_cast<std::uint64_t>(value);
    const Real ln_pmf = ln_factorial(a) + ln_factorial(n - a) + ln_factorial(b) + ln_factorial(n - b) -
                        ln_factorial(n) - ln_factorial(x) - ln_factorial(a - x) - ln_factorial(b - x) -
                        ln_factorial(n - a - b + x);
    EXPECT_NEAR(hypergeometric_ln_pmf(n, a, b, x) / static_cast<double>(ln_pmf), 1.0, 1e-13) << n;
    long double sum = 0, term = 1;
    for (std::uint64_t k = x; term > 1e-16L * sum; z > 0 ? ++k : --k) {
      sum += term;
      const long double t = static_cast<long double>(k), rest = static_cast<long double>(n - a - b);
      const long double in_a = static_cast<long double>(a) - t, in_b = static_cast<long double>(b) - t;
      term *= z > 0 ? in_a * in_b / ((t + 1) * (rest + t + 1)) : t * (rest + t) / ((in_a + 1) * (in_b + 1));
    }
    const double log10_p =
        (static_cast<double>(ln_pmf) + std::log(2 * static_cast<double>(sum))) / std::log(10.0);
    EXPECT_NEAR(hypergeometric_two_sided(n, a, b, x).log10_p, log10_p, 1e-10) << n << " " << z;
  }
}

TEST(Hypergeometric, TailsOfBothKindsJoin) {
  // Around the number of terms from which the tail is integrated: p-values fall evenly from x to x + 1.
  const std::uint64_t n = power_of_two(22), a = n / 10;
  const double mean = static_cast<double>(a) / 10;
  double previous = 1.0;
  for (auto x = static_cast<std::uint64_t>(mean) + 1; x < static_cast<std::uint64_t>(mean) + 2500; ++x) {
    const double p = hypergeometric_two_sided(n, a, a, x).p_value;
    const double step = 2 * std::exp(hypergeometric_ln_pmf(n, a, a, x - 1));
    if (previous < 1.0) {
      ASSERT_NEAR((previous - p) / step, 1.0, 1e-7) << x;
    }
    previous = p;
  }
}

TEST(Hypergeometric, StaysFiniteMonotoneAndBelowHoeffdingBeyondUnderflow) {
  const std::uint64_t n = power_of_two(20), a = n / 4, b = n / 2;
  double previous = 0.0;
  bool bound_seen = false;
  for (std::uint64_t x = a / 2; x <= a; x += 512) {
    const Tail tail = hypergeometric_two_sided(n, a, b, x);
    EXPECT_TRUE(std::isfinite(tail.log10_p));
    EXPECT_LE(tail.log10_p, previous);
    EXPECT_LE(tail.log10_p, hypergeometric_hoeffding_log10(n, a, b, x) + 1e-12) << x;
    previous = tail.log10_p;
    bound_seen = bound_seen || std::string(tail.engine) == "hypergeometric_geometric";
  }
  EXPECT_TRUE(bound_seen);
  // Equal masks: one subset of the n choose a is drawn.
  const Real ln_all =
      boost::multiprecision::lgamma(Real(n) + 1) - 2 * boost::multiprecision::lgamma(Real(n / 2) + 1);
  const double expected = (std::log(2.0) - static_cast<double>(ln_all)) / std::log(10.0);
  EXPECT_NEAR(hypergeometric_two_sided(n, n / 2, n / 2, n / 2).log10_p, expected, 1e-6);
}

TEST(Hypergeometric, SaysNothingWhereOnlyOneOverlapIsPossible) {
  EXPECT_EQ(hypergeometric_two_sided(0, 0, 0, 0).p_value, 1.0);
  EXPECT_EQ(hypergeometric_two_sided(100, 0, 7, 0).p_value, 1.0);
  EXPECT_EQ(hypergeometric_two_sided(100, 100, 7, 7).p_value, 1.0);
}

TEST(Hypergeometric, RefusesImpossibleOverlaps) {
  EXPECT_THROW(hypergeometric_two_sided(10, 11, 5, 5), std::domain_error);
  EXPECT_THROW(hypergeometric_two_sided(10, 4, 5, 5), std::domain_error);
  EXPECT_THROW(hypergeometric_two_sided(10, 8, 7, 4), std::domain_error);
  EXPECT_THROW(hypergeometric_two_sided(power_of_two(53) + 1, 8, 7, 4), std::domain_error);
}

// Probability that two masks of n entries with correlation rho are rejected: over all sizes of both and all
// overlaps, multinomial with four cells.
double power_of_overlap_test(unsigned n, double p, double rho, double alpha) {
  const double v = p * (1 - p);
  const double both = p * p + rho * v, one = p - both, none = 1 - both - 2 * one;
  std::vector<double> ln_factorial(n + 1);
  for (unsigned k = 0; k <= n; ++k) ln_factorial[k] = std::lgamma(k + 1.0);
  double rejected = 0;
  for (unsigned a = 0; a <= n; ++a) {
    for (unsigned b = 0; b <= n; ++b) {
      for (unsigned x = a + b > n ? a + b - n : 0; x <= std::min(a, b); ++x) {
        const double ln_chance = ln_factorial[n] - ln_factorial[x] - ln_factorial[a - x] -
                                 ln_factorial[b - x] - ln_factorial[n - a - b + x] + x * std::log(both) +
                                 (a + b - 2 * x) * std::log(one) + (n - a - b + x) * std::log(none);
        if (ln_chance < -30) continue;
        if (hypergeometric_two_sided(n, a, b, x).p_value <= alpha) rejected += std::exp(ln_chance);
      }
    }
  }
  return rejected;
}

TEST(OverlapMinEffect, IsCaughtWithItsPowerByEnumeration) {
  const double alpha = 1e-3, beta = 1e-2;
  for (const auto& [n, p] : std::vector<std::pair<unsigned, double>>{{80, 0.5}, {100, 0.3}}) {
    const double effect = overlap_min_effect(n, alpha, beta, p);
    ASSERT_LT(effect, 0.9);
    EXPECT_GE(power_of_overlap_test(n, p, effect, alpha), 1 - beta) << n << " " << p;
    EXPECT_LT(power_of_overlap_test(n, p, 0.8 * effect, alpha), 1 - beta) << n << " " << p;
  }
}

TEST(OverlapMinEffect, ApproachesTheFirstOrderFormula) {
  const double first_order = 10.8628 / std::sqrt(static_cast<double>(power_of_two(34)));
  EXPECT_NEAR(overlap_min_effect(power_of_two(34), 1e-9, 1e-6, 0.1) / first_order, 1.0, 2e-3);
  EXPECT_EQ(overlap_min_effect(20, 1e-9, 1e-6, 0.5), std::numeric_limits<double>::infinity());
}

TEST(OverlapMinSamples, IsTheSmallestThatSuffices) {
  for (const double rho : {0.5, 1e-2, 1e-4}) {
    const std::uint64_t n = overlap_min_samples(rho, 1e-9, 1e-6, 0.1);
    EXPECT_LE(overlap_min_effect(n, 1e-9, 1e-6, 0.1), rho);
    EXPECT_GT(overlap_min_effect(n - 1, 1e-9, 1e-6, 0.1), rho);
  }
  EXPECT_EQ(overlap_min_samples(1e-9, 1e-9, 1e-6, 0.1), std::numeric_limits<std::uint64_t>::max());
}

}  // namespace
}  // namespace dropcheck::stats
