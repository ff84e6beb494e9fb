#include "harness/stats/deviance.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace dropcheck::stats {
namespace {

TEST(EntropyExcess, MatchesItsPowerSeriesNearZero) {
  for (const double u : {1e-12, -1e-9, 1e-6, -1e-4}) {
    const double series = u * u * (1.0 / 2 - u * (1.0 / 6 - u * (1.0 / 12 - u / 20)));
    EXPECT_NEAR(entropy_excess(u) / series, 1.0, 1e-13) << u;
  }
}

TEST(EntropyExcess, MatchesLongDoublesFarFromZero) {
  for (const double u : {-0.999, -0.6, -0.49, 0.3, 0.49, 0.51, 3.0, 1e9}) {
    const long double x = u;
    const long double direct = (1 + x) * std::log1p(x) - x;
    EXPECT_NEAR(entropy_excess(u) / static_cast<double>(direct), 1.0, 1e-14) << u;
  }
  EXPECT_EQ(entropy_excess(-1.0), 1.0);
}

TEST(BernoulliDivergence, MatchesItsDefinition) {
  const double p = 0.3;
  const double x = 0.45;
  EXPECT_NEAR(bernoulli_divergence(p, 0.7, x - p), x * std::log(x / p) + (1 - x) * std::log((1 - x) / 0.7),
              1e-15);
}

TEST(BernoulliDivergence, IsALogarithmAtTheEnds) {
  EXPECT_NEAR(bernoulli_divergence(0.25, 0.75, -0.25), -std::log(0.75), 1e-15);
  EXPECT_NEAR(bernoulli_divergence(0.25, 0.75, 0.75), -std::log(0.25), 1e-15);
}

TEST(StirlingError, CompletesTheFactorial) {
  double ln_factorial = 0.0;
  for (int k = 1; k <= 60; ++k) {  // crosses from the table of factorials to the series
    ln_factorial += std::log(k);
    const double leading = (k + 0.5) * std::log(k) - k + 0.5 * std::log(2 * std::numbers::pi);
    EXPECT_NEAR(stirling_error(k), ln_factorial - leading, 1e-13 * (1 + ln_factorial)) << k;
  }
}

TEST(StirlingError, TableAndSeriesMeet) {
  // 12 k e(k) = 1 - 1/(30 k^2) + ... is smooth, so its second difference over the seam is small.
  const auto scaled = [](double k) { return 12 * k * stirling_error(k); };
  EXPECT_NEAR(scaled(31) - 2 * scaled(32) + scaled(33), -6.0 / (30 * std::pow(32.0, 4)), 1e-9);
}

}  // namespace
}  // namespace dropcheck::stats
