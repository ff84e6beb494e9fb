#include "harness/stats/bernstein.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "harness/stats/binomial.hpp"

namespace dropcheck::stats {
namespace {

WeightedSum unit_weights(double n, double deviation, double p) {
  return {.deviation = deviation, .sum_squares = n, .max_abs = 1.0, .p = p};
}

TEST(Bernstein, MatchesTheFormula) {
  const WeightedSum s{.deviation = -30.0, .sum_squares = 1000.0, .max_abs = 7.0, .p = 0.2};
  const double exponent = 900.0 / (2 * (0.16 * 1000 + 7 * 0.8 * 30 / 3));
  EXPECT_NEAR(bernstein_two_sided(s).p_value, 2 * std::exp(-exponent), 1e-15);
  EXPECT_STREQ(bernstein_two_sided(s).engine, "bernstein");
}

TEST(Bernstein, IsNeverBelowTheExactTailOfUnitWeights) {
  for (const double p : {0.05, 0.5, 0.9}) {
    const std::uint64_t n = 400;
    for (std::uint64_t x = 0; x <= n; ++x) {
      const double deviation = static_cast<double>(x) - static_cast<double>(n) * p;
      const double one_side = deviation > 0 ? binomial_upper_tail(n, x, p) : binomial_lower_tail(n, x, p);
      const double bound = bernstein_two_sided(unit_weights(400, deviation, p)).p_value;
      EXPECT_LE(std::min(1.0, 2 * one_side), bound + 1e-15) << p << " " << x;
    }
  }
}

TEST(Bernstein, HoldsForUnevenWeightsByEnumeration) {
  const std::vector<double> weights = {40, -3, 7, 1, -12, 5, 2, 9, -1, 15, 4, -6};
  const double p = 0.3;
  double sum_squares = 0.0;
  for (const double w : weights) sum_squares += w * w;
  std::vector<std::pair<double, double>> law;  // (|U|, probability) of all 2^12 masks
  for (unsigned mask = 0; mask < 4096; ++mask) {
    double u = 0.0;
    double probability = 1.0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const bool dropped = (mask >> i & 1U) != 0;
      u += weights[i] * ((dropped ? 1.0 : 0.0) - p);
      probability *= dropped ? p : 1 - p;
    }
    law.emplace_back(std::abs(u), probability);
  }
  std::sort(law.rbegin(), law.rend());
  double tail = 0.0;
  for (const auto& [u, probability] : law) {
    tail += probability;
    const Tail bound =
        bernstein_two_sided({.deviation = u, .sum_squares = sum_squares, .max_abs = 40, .p = p});
    ASSERT_LE(tail, bound.p_value + 1e-12) << u;
  }
}

TEST(Bernstein, CostsSevenPerCentInThresholdForManyWeights) {
  const double n = 16777216;
  EXPECT_NEAR(bernstein_threshold(unit_weights(n, 0, 0.1), 1e-9) / std::sqrt(0.09 * n), 6.545, 0.02);
}

TEST(Bernstein, ThresholdIsWhereTheBoundEqualsAlpha) {
  for (const double alpha : {0.5, 1e-3, 1e-9, 1e-200}) {
    WeightedSum s{.deviation = 0.0, .sum_squares = 5e4, .max_abs = 30.0, .p = 0.1};
    s.deviation = bernstein_threshold(s, alpha);
    EXPECT_NEAR(bernstein_two_sided(s).log10_p, std::log10(alpha), 1e-10) << alpha;
  }
}

TEST(Bernstein, StaysFiniteBeyondUnderflow) {
  const Tail tail = bernstein_two_sided(unit_weights(1e6, 5e5, 0.1));
  EXPECT_EQ(tail.p_value, 0.0);
  EXPECT_LT(tail.log10_p, -300.0);
  EXPECT_TRUE(std::isfinite(tail.log10_p));
}

TEST(Bernstein, AllowsNoDeviationWhereNothingCanVary) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(bernstein_two_sided(unit_weights(100, 0, 0.0)).p_value, 1.0);
  EXPECT_EQ(bernstein_two_sided(unit_weights(100, 1, 0.0)).log10_p, -kInfinity);
  EXPECT_EQ(bernstein_two_sided(unit_weights(100, -1, 1.0)).log10_p, -kInfinity);
  EXPECT_EQ(bernstein_two_sided({.deviation = 1, .sum_squares = 0, .max_abs = 0, .p = 0.5}).log10_p,
            -kInfinity);
  EXPECT_EQ(bernstein_threshold(unit_weights(100, 0, 0.0), 1e-9), 0.0);
}

TEST(BernsteinPlan, RoundTrips) {
  for (const double effect : {0.1, 1e-2, 1e-3, 1e-4}) {
    const std::uint64_t n = bernstein_min_samples(effect, 1e-9, 1e-6, 0.1);
    const double weights = static_cast<double>(n);
    EXPECT_LE(bernstein_min_effect(unit_weights(weights, 0, 0.1), 1e-9, 1e-6), weights * effect);
    EXPECT_GT(bernstein_min_effect(unit_weights(weights - 1, 0, 0.1), 1e-9, 1e-6), (weights - 1) * effect);
  }
}

TEST(BernsteinPlan, NeedsMoreThanTheExactTest) {
  const std::uint64_t bound = bernstein_min_samples(1e-3, 1e-9, 1e-6, 0.1);
  const std::uint64_t exact = binomial_min_samples(1e-3, 1e-9, 1e-6, 0.1);
  EXPECT_GT(bound, exact);
  EXPECT_LT(static_cast<double>(bound), 1.3 * static_cast<double>(exact));
}

}  // namespace
}  // namespace dropcheck::stats
