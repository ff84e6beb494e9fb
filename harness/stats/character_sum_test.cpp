#include "harness/stats/character_sum.hpp"

#include <gtest/gtest.h>

#include <array>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace dropcheck::stats {
namespace {

double normal_quantile(double tail) {
  return boost::math::quantile(boost::math::complement(boost::math::normal_distribution<double>(), tail));
}

TEST(SkewedQuantile, IsNormalWithoutSkewnessAndExponentialAtTwo) {
  for (const double tail : {0.5, 1e-3, 1e-12}) {
    EXPECT_NEAR(skewed_quantile(0, tail), normal_quantile(tail), 1e-14);
    EXPECT_NEAR(skewed_quantile(2, tail), -std::log(tail) - 1, 1e-10);  // one exponential less its mean
  }
}

TEST(SkewedQuantile, HasNoSeamBetweenItsForms) {
  for (const double tail : {0.1, 1e-6, 1e-15})
    EXPECT_NEAR(skewed_quantile(0.01 - 1e-12, tail), skewed_quantile(0.01, tail), 1e-7);
  for (const double tail : {1e-3, 1e-9, 1e-15}) {
    double previous = 0;
    for (double gamma = 1e-8; gamma < 5; gamma *= 1.2) {
      EXPECT_GE(skewed_quantile(gamma, tail), previous) << gamma;
      previous = skewed_quantile(gamma, tail);
    }
  }
}

TEST(CharacterMinEffect, SolvesItsEquation) {
  for (const std::uint64_t n : {std::uint64_t{500}, std::uint64_t{1} << 20, std::uint64_t{1} << 40}) {
    for (const double term_skewness : {0.0, 0.5, 7.0}) {
      for (const double beta : {1e-6, 0.5, 0.9}) {
        const double root = std::sqrt(static_cast<double>(n));
        const double e = character_min_effect(n, term_skewness / root, 1e-9, beta);
        ASSERT_TRUE(std::isfinite(e));
        const double right = skewed_quantile(term_skewness / root, 5e-10) +
                             normal_quantile(beta) * std::sqrt(1 + term_skewness * e - e * e);
        EXPECT_NEAR(e * root / right, 1.0, 1e-9) << n << " " << term_skewness << " " << beta;
      }
    }
  }
}

TEST(CharacterMinEffect, IsTheFirstOrderFormulaForLargeSums) {
  // z(5e-10) + z(1e-6) = 6.1094 + 4.7534
  EXPECT_NEAR(character_min_effect(std::uint64_t{1} << 44, 0, 1e-9, 1e-6) * 0x1p22, 10.8628, 1e-4);
  EXPECT_EQ(character_min_effect(0, 0, 1e-9, 1e-6), std::numeric_limits<double>::infinity());
  EXPECT_EQ(character_min_effect(10, 0, 1e-9, 1e-6), std::numeric_limits<double>::infinity());
  EXPECT_EQ(character_min_effect(1000, -0.1, 1e-9, 1e-6), character_min_effect(1000, 0.1, 1e-9, 1e-6));
  EXPECT_THROW(character_min_effect(1000, 0, 0, 1e-6), std::domain_error);
}

TEST(CharacterMinSamples, IsTheSmallestThatSuffices) {
  for (const double skewness : {0.0, 2.0, 7.0}) {
    for (const double effect : {0.2, 1e-3, 1e-5}) {
      const std::uint64_t n = character_min_samples(effect, 1e-9, 1e-6, skewness);
      const auto at = [&](std::uint64_t m) {
        return character_min_effect(m, skewness / std::sqrt(static_cast<double>(m)), 1e-9, 1e-6);
      };
      EXPECT_LE(at(n), effect);
      EXPECT_GT(at(n - 1), effect);
    }
  }
  EXPECT_EQ(character_min_samples(1e-9, 1e-9, 1e-6), std::numeric_limits<std::uint64_t>::max());
}

TEST(BitSkewness, IsTheThirdMomentOfACentredBit) {
  for (const double p : {0.5, 0.1, 0.9, 1e-3}) {
    const double q = 1 - p;
    EXPECT_NEAR(bit_skewness(p), (p * q * q * q - q * p * p * p) / std::pow(p * q, 1.5), 1e-9);
  }
}

TEST(CharacterQuartic, IsThatOfIndependentTermsWithoutSharedFactors) {
  // One factor: fourth cumulant less 3 squares of the skewness; two products never share a factor.
  EXPECT_NEAR(character_quartic(std::array{5u}, 0.7, 2.5), 2.5 - 3 - 3 * 0.49, 1e-12);
  // Lag k: the product shares one factor with each neighbour.
  EXPECT_NEAR(character_quartic(std::array{0u, 7u}, 0.7, 2.5), 6.25 - 3 - 3 * 0.7 * 0.7 * 0.49 + 6 * 1.5,
              1e-12);
  // At p = 1/2 products are independent signs: -2 for any offsets.
  EXPECT_NEAR(character_quartic(std::array{0u, 1u, 2u}, bit_skewness(0.5), bit_kurtosis(0.5)), -2, 1e-12);
}

}  // namespace
}  // namespace dropcheck::stats
