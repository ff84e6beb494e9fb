#include "harness/stats/saddlepoint.hpp"

#include <gtest/gtest.h>

#include <boost/math/distributions/gamma.hpp>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

namespace dropcheck::stats {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Cumulants normal_sum(double theta) { return {theta * theta / 2, theta, 1}; }

/// Sum of n exponentials less its mean: a gamma law. K exists below 1 only.
CumulantFunction exponentials(double n) {
  return [n](double theta) {
    if (theta >= 1) return Cumulants{kInfinity, kInfinity, kInfinity};
    return Cumulants{-n * theta - n * std::log1p(-theta), n * theta / (1 - theta),
                     n / ((1 - theta) * (1 - theta))};
  };
}

/// Sum of n fair signs.
CumulantFunction signs(double n) {
  return [n](double theta) {
    const double t = std::tanh(theta);
    return Cumulants{n * (std::abs(theta) + std::log1p(std::exp(-2 * std::abs(theta))) - std::log(2.0)),
                     n * t, n * (1 - t * t)};
  };
}

TEST(Saddlepoint, IsExactForTheNormalLaw) {
  const boost::math::normal_distribution<double> normal;
  for (const double z : {1e-9, 1e-4, 0.005, 0.02, 1.0, 6.0, 20.0, 37.0}) {
    const double expected = 2 * boost::math::cdf(boost::math::complement(normal, z));
    for (const double s : {z, -z}) {
      const Tail tail = saddlepoint_two_sided(normal_sum, {-kInfinity, kInfinity}, s);
      EXPECT_NEAR(tail.p_value / expected, 1.0, 1e-9) << s;
      EXPECT_STREQ(tail.engine, "saddlepoint");
    }
  }
}

TEST(Saddlepoint, IsCloseForGammaLawsOnBothSides) {
  for (const auto& [n, error] : {std::pair{1.0, 0.03}, std::pair{10.0, 0.004}, std::pair{1000.0, 1e-4}}) {
    const boost::math::gamma_distribution<double> law(n);
    for (const double z : {-6.0, -2.0, -0.3, 1e-3, 0.3, 2.0, 6.0, 12.0}) {
      const double value = n + z * std::sqrt(n);
      if (value <= 0) continue;
      const double tail =
          z > 0 ? boost::math::cdf(boost::math::complement(law, value)) : boost::math::cdf(law, value);
      const double ours = saddlepoint_two_sided(exponentials(n), {-n, kInfinity}, value - n).p_value;
      EXPECT_NEAR(ours / std::min(1.0, 2 * tail), 1.0, error) << n << " " << z;
    }
  }
}

TEST(Saddlepoint, IsContinuousWhereTheCorrectionIsTakenFromNearby) {
  // Just above the mean, below which 53 % lie.
  double previous = saddlepoint_two_sided(exponentials(5), {-5, kInfinity}, 1e-9).p_value;
  EXPECT_NEAR(previous, 0.8810, 1e-3);
  for (double s = 1e-6; s < 2; s *= 1.01) {
    const double p = saddlepoint_two_sided(exponentials(5), {-5, kInfinity}, s).p_value;
    EXPECT_LE(p, previous) << s;
    EXPECT_GT(p, previous - 0.01) << s;
    previous = p;
  }
  EXPECT_EQ(saddlepoint_two_sided(exponentials(5), {-5, kInfinity}, 0).p_value, 1.0);
}

TEST(Saddlepoint, BoundsWhatItCannotCompute) {
  // The end of the support: all signs equal, probability 2^-n; the bounds fall towards it.
  const Tail end = saddlepoint_two_sided(signs(50), {-50, 50}, 50);
  EXPECT_STREQ(end.engine, "saddlepoint_chernoff");
  EXPECT_NEAR(end.p_value / (2 * std::exp2(-50)), 1.0, 1e-6);
  EXPECT_NEAR(saddlepoint_two_sided(signs(50), {-50, 50}, -50).log10_p, end.log10_p, 1e-12);
  EXPECT_LT(saddlepoint_two_sided(signs(50), {-50, 50}, 51).p_value, 1e-100);  // cannot be
  // Below the range of doubles.
  const Tail far = saddlepoint_two_sided(normal_sum, {-kInfinity, kInfinity}, 100);
  EXPECT_STREQ(far.engine, "saddlepoint_chernoff");
  EXPECT_NEAR(far.log10_p, (std::log(2.0) - 5000) / std::log(10.0), 1e-9);
}

TEST(Saddlepoint, StaysFiniteAndMonotoneFromTheMeanToTheEnd) {
  for (const double n : {30.0, 3000.0, 1e6}) {
    double previous = 0.0;
    bool exact = false, bound = false;
    for (double s = 0; s <= n; s += n / 3000) {
      if (s > n - 1) s = n;  // no value lies between
      const Tail tail = saddlepoint_two_sided(signs(n), {-n, n}, s);
      ASSERT_TRUE(std::isfinite(tail.log10_p)) << s;
      ASSERT_LE(tail.log10_p, previous + 1e-12) << n << " " << s;
      previous = tail.log10_p;
      (std::string(tail.engine) == "saddlepoint" ? exact : bound) = true;
    }
    EXPECT_TRUE(exact && bound);
  }
}

TEST(Saddlepoint, KnowsSumsThatCannotVary) {
  const CumulantFunction none = [](double) { return Cumulants{0, 0, 0}; };
  EXPECT_EQ(saddlepoint_two_sided(none, {0, 0}, 0).p_value, 1.0);
  EXPECT_EQ(saddlepoint_two_sided(none, {0, 0}, 1).p_value, 0.0);
  EXPECT_THROW(saddlepoint_two_sided(normal_sum, {-1, 1}, std::nan("")), std::domain_error);
  EXPECT_THROW(saddlepoint_two_sided(normal_sum, {1, 2}, 1), std::domain_error);
}

TEST(SaddlepointQuantile, InvertsTheTail) {
  for (const double tail : {0.4, 1e-3, 1e-9, 1e-30}) {
    const double s = saddlepoint_upper_quantile(exponentials(20), {-20, kInfinity}, tail);
    EXPECT_NEAR(saddlepoint_two_sided(exponentials(20), {-20, kInfinity}, s).p_value / (2 * tail), 1.0, 1e-9);
  }
  EXPECT_EQ(saddlepoint_upper_quantile(signs(10), {-10, 10}, 1e-9), 10.0);
  EXPECT_THROW(saddlepoint_upper_quantile(normal_sum, {-kInfinity, kInfinity}, 0.5), std::domain_error);
}

}  // namespace
}  // namespace dropcheck::stats
