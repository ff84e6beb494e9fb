#include "harness/stats/overlap_law.hpp"

#include <gtest/gtest.h>

#include <boost/multiprecision/cpp_bin_float.hpp>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "harness/stats/binomial.hpp"
#include "harness/stats/testing/exact_products.hpp"

namespace dropcheck::stats {
namespace {

using Real = boost::multiprecision::cpp_bin_float_50;

TEST(OverlapCumulants, MatchFiftyDigitsAndTheirDifferences) {
  for (const double p : {0.5, 0.1, 1e-3, 0.98}) {
    for (const double theta : {-900.0, -25.0, -0.3, -1e-7, 1e-5, 0.01, 3.0, 19.9, 20.1, 800.0}) {
      const auto one = [&](const Real& t) {
        const Real d = p, k = 1 - Real(p);
        return Real(log(k * k * exp(t * d * d) + 2 * d * k * exp(-t * d * k) + d * d * exp(t * k * k)));
      };
      const Real h("1e-15");
      const Cumulants c = overlap_cumulants(std::uint64_t{1} << 40, p)(theta);
      const double scale = 0x1p40;
      EXPECT_NEAR(c.k / (scale * static_cast<double>(one(theta))), 1.0, 1e-10) << p << " " << theta;
      const double slope = static_cast<double>((one(theta + h) - one(theta - h)) / (2 * h));
      EXPECT_NEAR(c.k1 / (scale * slope), 1.0, 1e-10) << p << " " << theta;
      const double bend = static_cast<double>((one(theta + h) - 2 * one(theta) + one(theta - h)) / (h * h));
      EXPECT_NEAR(c.k2 / scale, bend, 1e-12 + 1e-7 * std::abs(bend)) << p << " " << theta;
    }
  }
}

TEST(OverlapTail, MatchesExactConvolution) {
  for (const auto& [a, b, n] : std::vector<std::tuple<std::int64_t, std::int64_t, std::uint64_t>>{
           {1, 10, 2048}, {1, 3, 600}, {1, 20, 8000}, {1, 50, 45000}}) {
    const double p = static_cast<double>(a) / static_cast<double>(b);
    ASSERT_TRUE(products_are_valid(n, p));
    const double deviation = p * (1 - p) * std::sqrt(static_cast<double>(n));
    const testing::LatticeLaw law =
        testing::chain_law(a, b, std::vector<std::uint64_t>(n, 2), 9 * deviation, 14 * deviation + 6);
    ASSERT_NEAR(law.mass(), 1.0, 1e-11);
    const CumulantFunction cumulants = overlap_cumulants(n, p);
    int compared = 0;
    for (const bool upper : {true, false}) {
      testing::for_each_tail(law, upper, [&](double s, double tail) {
        if (tail < 1e-12 || tail > 1e-3) return;
        const double inward = s - std::copysign(p / 2, s);
        const double ours = saddlepoint_two_sided(cumulants, product_support(n, p), inward).p_value / 2;
        EXPECT_NEAR(ours / tail, 1.0, 0.02) << p << " " << n << " " << s;
        ++compared;
      });
    }
    EXPECT_GT(compared, 30);
  }
}

TEST(OverlapTail, TakesTheCountsHalfAStepInwards) {
  const std::uint64_t n = 100000;
  const PairProducts pairs{1300, 10000, 10000, n};
  const Tail tail = overlap_two_sided(pairs, 0.1);
  EXPECT_STREQ(tail.engine, "saddlepoint");
  EXPECT_EQ(tail.p_value, saddlepoint_two_sided(overlap_cumulants(n, 0.1), product_support(n, 0.1),
                                                centred_sum(pairs, 0.1) - 0.05)
                              .p_value);
  EXPECT_LT(tail.p_value, 1e-15);
  EXPECT_EQ(overlap_two_sided({1000, 10000, 10000, n}, 0.1).p_value, 1.0);  // S = 0
}

TEST(OverlapTail, IsBinomialAtOneHalfAndRefusesSmallSums) {
  const PairProducts pairs{30, 50, 45, 100};
  EXPECT_EQ(overlap_two_sided(pairs, 0.5).p_value, binomial_two_sided(100, 65, 0.5).p_value);
  EXPECT_THROW(overlap_two_sided(pairs, 0.4), std::domain_error);
  EXPECT_THROW(overlap_two_sided({0, 0, 0, 0}, 0.5), std::domain_error);
}

}  // namespace
}  // namespace dropcheck::stats
