#include "harness/stats/petrov.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "harness/stats/character_sum.hpp"
#include "harness/stats/testing/exact_products.hpp"

namespace dropcheck::stats {
namespace {

double normal_tail(double z) {
  return boost::math::cdf(boost::math::complement(boost::math::normal_distribution<double>(), z));
}

TEST(Petrov, IsTheNormalTailWithoutSkewness) {
  for (const double z : {0.0, 1.0, 6.0, 30.0}) {
    EXPECT_NEAR(petrov_two_sided(z, 0).p_value / (2 * normal_tail(z)), 1.0, 1e-14);
    EXPECT_EQ(petrov_two_sided(z, 0).p_value, petrov_two_sided(-z, 0).p_value);
  }
}

/// All tails between 1e-9 and 1e-2 inside the limit; returns how many.
int compare(const testing::LatticeLaw& law, double deviation, double gamma, double quartic) {
  int compared = 0;
  for (const bool upper : {true, false}) {
    testing::for_each_tail(law, upper, [&](double s, double tail) {
      const double z = s / deviation;
      if (tail < 1e-9 || tail > 1e-2 || std::abs(gamma * z * z * z / 6) > kPetrovCubicLimit ||
          std::abs(quartic * z * z * z * z / 24) > kPetrovQuarticLimit)
        return;
      const Tail ours = petrov_two_sided(z, gamma, quartic);
      EXPECT_STREQ(ours.engine, "petrov");
      EXPECT_GT(ours.p_value / 2 / tail, 0.93) << z << " " << gamma;
      EXPECT_LT(ours.p_value / 2 / tail, 1.07) << z << " " << gamma;
      ++compared;
    });
  }
  return compared;
}

TEST(Petrov, MatchesExactLawsOfLagProducts) {
  for (const auto& [a, b, n] : std::vector<std::tuple<std::int64_t, std::int64_t, std::uint64_t>>{
           {1, 4, 16384}, {1, 10, 20000}, {9, 20, 8192}, {1, 5, 4096}}) {
    const double p = static_cast<double>(a) / static_cast<double>(b), v = p * (1 - p);
    const double deviation = v * std::sqrt(static_cast<double>(n));
    const double terms = static_cast<double>(n);
    const double gamma = bit_skewness(p) * bit_skewness(p) / std::sqrt(terms);
    const double quartic = character_quartic(std::array{0u, 1u}, bit_skewness(p), bit_kurtosis(p)) / terms;
    const testing::LatticeLaw law = testing::chain_law(a, b, {n + 1}, 9 * deviation, 12 * deviation);
    EXPECT_GT(compare(law, deviation, gamma, quartic), 30);
  }
}

// Products of three neighbours at p = 1/4: 64 times a product is 27, -9, 3 or -1.
TEST(Petrov, MatchesTheExactLawOfTripleProducts) {
  constexpr std::uint64_t kTriples = 8192;
  const double deviation = std::pow(3.0 / 16, 1.5) * std::sqrt(static_cast<double>(kTriples));
  // (64 product + 1) / 4 per number of drops, all whole.
  constexpr std::int64_t kStep[4] = {0, 1, -2, 7};
  const auto width = static_cast<std::size_t>(16 * 22 * deviation);
  const auto centre = static_cast<std::int64_t>(16 * 10 * deviation);
  std::vector<std::vector<double>> state(4, std::vector<double>(width, 0.0));
  for (unsigned pair = 0; pair < 4; ++pair)
    state[pair][static_cast<std::size_t>(centre)] = (pair & 1 ? 0.25 : 0.75) * (pair & 2 ? 0.25 : 0.75);
  std::int64_t drift = 0;  // a quarter a triple
  for (std::uint64_t t = 1; t <= kTriples; ++t) {
    const std::int64_t down = static_cast<std::int64_t>(t / 4) - drift;
    drift += down;
    std::vector<std::vector<double>> next(4, std::vector<double>(width, 0.0));
    for (unsigned pair = 0; pair < 4; ++pair) {
      for (unsigned bit = 0; bit < 2; ++bit) {
        const std::int64_t by = kStep[(pair & 1) + (pair >> 1) + bit] - down;
        const double chance = bit == 1 ? 0.25 : 0.75;
        std::vector<double>& to = next[(pair >> 1) | (bit << 1)];
        for (std::int64_t i = std::max<std::int64_t>(0, -by);
             i < static_cast<std::int64_t>(width) - std::max<std::int64_t>(0, by); ++i)
          to[static_cast<std::size_t>(i + by)] += chance * state[pair][static_cast<std::size_t>(i)];
      }
    }
    state.swap(next);
  }
  testing::LatticeLaw law{static_cast<double>(-centre) / 16, 1.0 / 16, state[0]};
  for (std::size_t pair = 1; pair < 4; ++pair)
    for (std::size_t i = 0; i < width; ++i) law.pmf[i] += state[pair][i];
  ASSERT_NEAR(law.mass(), 1.0, 1e-11);
  double mean = 0, square = 0, cube = 0, fourth = 0;
  for (std::size_t i = 0; i < width; ++i) {
    const double z = law.value(i) / deviation;
    mean += law.pmf[i] * z;
    square += law.pmf[i] * z * z;
    cube += law.pmf[i] * z * z * z;
    fourth += law.pmf[i] * z * z * z * z;
  }
  const double n = static_cast<double>(kTriples);
  const double gamma = std::pow(bit_skewness(0.25), 3) / std::sqrt(n);
  const double quartic =
      character_quartic(std::array{0u, 1u, 2u}, bit_skewness(0.25), bit_kurtosis(0.25)) / n;
  EXPECT_NEAR(mean, 0, 1e-9);
  EXPECT_NEAR(square, 1, 1e-9);
  EXPECT_NEAR(cube, gamma, 1e-9);                                    // cross terms vanish
  EXPECT_NEAR((fourth - 3 - 3 * gamma * gamma) / quartic, 1, 1e-3);  // but for the ends
  EXPECT_GT(compare(law, deviation, gamma, quartic), 100);
}

TEST(Petrov, IsMonotoneAndNeverFallsBelowTheLimit) {
  for (const double gamma : {0.5, 0.2, 0.01, 1e-6, -0.01, -0.5}) {
    for (const double quartic : {0.0, 0.5, 1e-3, -0.1}) {
      double previous = 1.0;
      for (double z = 0.0; z < 60; z += 0.01) {
        const Tail tail = petrov_two_sided(z, gamma, quartic);
        ASSERT_LE(tail.p_value, previous * (1 + 1e-12)) << z << " " << gamma << " " << quartic;
        ASSERT_GE(tail.log10_p, -301);
        ASSERT_EQ(tail.p_value, petrov_two_sided(-z, -gamma, quartic).p_value);
        previous = tail.p_value;
      }
      EXPECT_STREQ(petrov_two_sided(60, gamma, quartic).engine, "petrov_limit");
    }
  }
  EXPECT_NEAR(petrov_two_sided(1000, 0.01).p_value, 2 * normal_tail(std::cbrt(300)) * std::exp(0.5), 1e-15);
}

TEST(Petrov, IsValidWhereItCanDecide) {
  // p = 0.1: skewness 64/9 / sqrt(n).
  EXPECT_FALSE(petrov_is_valid(64.0 / 9 / std::sqrt(0x1p16), 1e-9));
  EXPECT_TRUE(petrov_is_valid(64.0 / 9 / std::sqrt(0x1p20), 1e-9));
  EXPECT_FALSE(petrov_is_valid(0, 1e-9, 0.01));
  EXPECT_TRUE(petrov_is_valid(0, 1e-12));
  EXPECT_FALSE(petrov_is_valid(1.5, 0.9));
  EXPECT_FALSE(petrov_is_valid(std::nan(""), 0.9));
  for (const double gamma : {0.5, 0.1, 0.03, 0.01}) {
    for (const double alpha : {1e-2, 1e-6, 1e-10})
      EXPECT_EQ(petrov_is_valid(gamma, alpha, 1e-3), petrov_two_sided(1e6, gamma, 1e-3).p_value <= alpha);
  }
  EXPECT_THROW(petrov_two_sided(1, 1.5), std::domain_error);
  EXPECT_THROW(petrov_two_sided(std::nan(""), 0.1), std::domain_error);
  EXPECT_THROW(petrov_is_valid(0.1, 0), std::domain_error);
}

}  // namespace
}  // namespace dropcheck::stats
