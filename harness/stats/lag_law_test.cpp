#include "harness/stats/lag_law.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <boost/multiprecision/cpp_bin_float.hpp>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <tuple>
#include <utility>
#include <vector>

#include "harness/stats/binomial.hpp"
#include "harness/stats/overlap_law.hpp"
#include "harness/stats/testing/exact_products.hpp"

namespace dropcheck::stats {
namespace {

using Real = boost::multiprecision::cpp_bin_float_50;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// What a mask of `size` bits gives for one lag, bit by bit.
PairProducts count_pairs(std::uint64_t mask, unsigned size, unsigned lag) {
  PairProducts pairs;
  for (unsigned t = 0; t + lag < size; ++t) {
    const std::uint64_t left = mask >> t & 1, right = mask >> (t + lag) & 1;
    pairs += {left & right, left, right, 1};
  }
  return pairs;
}

double chance(std::uint64_t mask, unsigned size, double p) {
  const int drops = std::popcount(mask);
  return std::pow(p, drops) * std::pow(1 - p, static_cast<int>(size) - drops);
}

TEST(LagCumulants, MatchEnumerationOfAllMasks) {
  for (const auto& [size, lag] :
       std::vector<std::pair<unsigned, unsigned>>{{2, 1}, {5, 1}, {12, 1}, {12, 5}, {11, 4}, {9, 8}}) {
    for (const double p : {0.5, 0.1, 0.02, 0.7}) {
      const std::vector<ChunkKind> chunks{{size, 1}};
      const CumulantFunction cumulants = lag_cumulants(chunks, lag, p);
      for (const double theta : {-70.0, -9.0, -7.0, -0.1, 1e-3, 0.5, 4.0, 7.9, 8.1, 150.0}) {
        // Moments under the tilted law, its largest exponent taken out.
        const double top =
            theta * (theta > 0 ? product_support(size - lag, p).upper : product_support(size - lag, p).lower);
        double weight = 0, mean = 0, square = 0;
        for (std::uint64_t mask = 0; mask < std::uint64_t{1} << size; ++mask) {
          const double s = centred_sum(count_pairs(mask, size, lag), p);
          const double w = chance(mask, size, p) * std::exp(theta * s - top);
          weight += w;
          mean += w * s;
          square += w * s * s;
        }
        mean /= weight;
        const Cumulants c = cumulants(theta);
        EXPECT_NEAR(c.k, std::log(weight) + top, 1e-12 * (1 + std::abs(c.k)))
            << size << " " << lag << " " << p << " " << theta;
        EXPECT_NEAR(c.k1, mean, 1e-11) << size << " " << lag << " " << p << " " << theta;
        EXPECT_NEAR(c.k2, square / weight - mean * mean, 1e-11)
            << size << " " << lag << " " << p << " " << theta;
      }
    }
  }
}

TEST(LagCumulants, HaveTheExactVarianceAndNoMeanForAnyChunks) {
  for (const double p : {0.5, 0.3, 0.01, 0.9}) {
    for (const std::uint64_t lag :
         {std::uint64_t{1}, std::uint64_t{63}, std::uint64_t{96}, std::uint64_t{524288}}) {
      const std::vector<ChunkKind> chunks{{1 << 20, 16384}, {700001, 3}, {50, 7}};
      const Cumulants c = lag_cumulants(chunks, lag, p)(0);
      const double variance = static_cast<double>(lag_pairs(chunks, lag)) * p * p * (1 - p) * (1 - p);
      EXPECT_EQ(c.k, 0.0);
      EXPECT_NEAR(c.k1 / std::sqrt(variance), 0.0, 1e-9);
      EXPECT_NEAR(c.k2 / variance, 1.0, 1e-9);
    }
  }
}

// ln((q,p) M^(m-1) (1,1)') by repeated squaring in 50 digits: shares nothing with the eigenvalues.
Real chain_cumulant(double p, double theta, std::uint64_t entries) {
  const Real d = p, k = 1 - Real(p), t = theta;
  std::vector<Real> m{k * exp(t * d * d), d * exp(-t * d * k), k * exp(-t * d * k), d * exp(t * k * k)};
  std::vector<Real> row{k, d};
  for (std::uint64_t left = entries - 1; left > 0; left /= 2) {
    if (left % 2 == 1) row = {row[0] * m[0] + row[1] * m[2], row[0] * m[1] + row[1] * m[3]};
    m = {m[0] * m[0] + m[1] * m[2], m[0] * m[1] + m[1] * m[3], m[2] * m[0] + m[3] * m[2],
         m[2] * m[1] + m[3] * m[3]};
  }
  return log(row[0] + row[1]);
}

TEST(LagCumulants, KeepTheirDigitsNearZeroForLargeSamples) {
  const std::vector<ChunkKind> chunks{{1 << 20, 1 << 14}};
  for (const double p : {0.1, 0.4, 0.95}) {
    for (const double z : {-30.0, -6.0, -0.01, 1.0, 8.0}) {
      const double theta = z / (p * (1 - p) * 0x1p17);
      const Real exact =
          (1 << 14) * (Real(1) * chain_cumulant(p, theta, 349526) + 2 * chain_cumulant(p, theta, 349525));
      EXPECT_NEAR(lag_cumulants(chunks, 3, p)(theta).k / static_cast<double>(exact), 1.0, 1e-9)
          << p << " " << z;
    }
  }
}

// p-values against the exact convolution, over all values with a tail between 1e-12 and 1e-3.
TEST(LagTail, MatchesExactConvolution) {
  struct Case {
    std::int64_t a, b;
    std::uint64_t size, lag;
  };
  for (const Case& c : {Case{1, 10, 4097, 1}, Case{1, 10, 2300, 7}, Case{3, 10, 2049, 1},
                        Case{2, 5, 1500, 400}, Case{1, 20, 9000, 1}, Case{9, 10, 3000, 1000}}) {
    const double p = static_cast<double>(c.a) / static_cast<double>(c.b);
    const std::uint64_t n = c.size - c.lag;
    const double deviation = p * (1 - p) * std::sqrt(static_cast<double>(n));
    const testing::LatticeLaw law = testing::chain_law(c.a, c.b, testing::chains_of_chunk(c.size, c.lag),
                                                       9 * deviation, 14 * deviation + 6);
    ASSERT_NEAR(law.mass(), 1.0, 1e-11);
    const std::vector<ChunkKind> chunks{{c.size, 1}};
    const CumulantFunction cumulants = lag_cumulants(chunks, c.lag, p);
    const double half_step = std::min(p, 1 - p) / 2;
    int compared = 0;
    for (const bool upper : {true, false}) {
      testing::for_each_tail(law, upper, [&](double s, double tail) {
        if (tail < 1e-12 || tail > 1e-3) return;
        const double inward = s - std::copysign(half_step, s);
        const double ours = saddlepoint_two_sided(cumulants, product_support(n, p), inward).p_value / 2;
        // Never far too small; too large where the lattice is finer than half_step assumes.
        EXPECT_GT(ours / tail, 0.95) << p << " " << n << " " << s;
        EXPECT_LT(ours / tail, 1.11) << p << " " << n << " " << s;
        ++compared;
      });
    }
    EXPECT_GT(compared, 50);
  }
}

TEST(LagTail, OfCountsIsTheSaddlepointHalfAStepInwards) {
  // 100 chunks with 5 % more common drops than expected.
  const std::vector<ChunkKind> chunks{{20000, 100}};
  const double p = 0.1;
  const std::uint64_t n = lag_pairs(chunks, 5);
  const PairProducts pairs{n / 100 + n / 2000, n / 10, n / 10, n};
  const double s = centred_sum(pairs, p);
  EXPECT_NEAR(s, static_cast<double>(n) / 2000, 2.0);
  const Tail tail = lag_two_sided(pairs, chunks, 5, p);
  EXPECT_STREQ(tail.engine, "saddlepoint");
  EXPECT_EQ(tail.p_value,
            saddlepoint_two_sided(lag_cumulants(chunks, 5, p), product_support(n, p), s - 0.05).p_value);
  EXPECT_LT(lag_two_sided(pairs, chunks, 5, p).p_value, 1e-12);
}

TEST(LagTail, GoesFarBelowTheRangeOfDoubles) {
  // All entries in runs of four: correlation 3/4.
  const std::vector<ChunkKind> chunks{{1 << 20, 1}};
  const std::uint64_t n = (1 << 20) - 1;
  const Tail tail = lag_two_sided({n / 10 * 3 / 4 + n / 400, n / 10, n / 10, n}, chunks, 1, 0.1);
  EXPECT_STREQ(tail.engine, "saddlepoint_chernoff");
  EXPECT_LT(tail.log10_p, -1e4);
  EXPECT_TRUE(std::isfinite(tail.log10_p));
  // Everything dropped, the upper end of the support: the bound is the probability itself, p^(n+1) twice.
  const std::vector<ChunkKind> small{{3000, 1}};
  const Tail end = lag_two_sided({2999, 2999, 2999, 2999}, small, 1, 0.1);
  EXPECT_GE(end.log10_p, std::log10(2.0) - 3000);
  EXPECT_LT(end.log10_p, std::log10(2.0) - 2900);
}

TEST(LagTail, IsExactAtOneHalf) {
  // p-values over all masks of 14 entries: those of Binomial(11, 1/2), and the level is kept.
  std::vector<double> chance_of(12, 0.0);
  const std::vector<ChunkKind> chunks{{14, 1}};
  for (std::uint64_t mask = 0; mask < 1 << 14; ++mask) {
    const PairProducts pairs = count_pairs(mask, 14, 3);
    const std::uint64_t agree = agreements(pairs);
    chance_of[agree] += 0x1p-14;
    ASSERT_EQ(lag_two_sided(pairs, chunks, 3, 0.5).p_value, binomial_two_sided(11, agree, 0.5).p_value);
    ASSERT_NEAR(centred_sum(pairs, 0.5), (static_cast<double>(agree) - 5.5) / 2, 1e-12);
  }
  for (std::uint64_t agree = 0; agree <= 11; ++agree) {
    const double below = agree == 0 ? 0 : binomial_lower_tail(11, agree - 1, 0.5);
    EXPECT_NEAR(chance_of[agree], binomial_lower_tail(11, agree, 0.5) - below, 1e-12);
  }
}

TEST(LagTail, RefusesWhatItCannotJudge) {
  const std::vector<ChunkKind> chunks{{500, 1}};
  EXPECT_THROW(lag_two_sided({1, 50, 50, 499}, chunks, 1, 0.1), std::domain_error);   // n v^2 = 4
  EXPECT_THROW(lag_two_sided({10, 50, 50, 400}, chunks, 1, 0.5), std::domain_error);  // 499 pairs there
  EXPECT_THROW(lag_cumulants(chunks, 0, 0.5), std::domain_error);
  EXPECT_THROW(lag_cumulants(chunks, 1, 1.0), std::domain_error);
  EXPECT_FALSE(products_are_valid(0, 0.5));
  EXPECT_FALSE(products_are_valid(1000, 0.0));
  EXPECT_FALSE(products_are_valid(std::uint64_t{1} << 20, 1e-3));
  EXPECT_TRUE(products_are_valid(std::uint64_t{1} << 20, 0.01));
}

// Probability that a chain of n + 1 entries with correlation rho of neighbours is rejected, exactly.
double power_of_lag_test(std::int64_t a, std::int64_t b, std::uint64_t n, double rho, double alpha) {
  const double p = static_cast<double>(a) / static_cast<double>(b);
  const double deviation = p * (1 - p) * std::sqrt(static_cast<double>(n));
  const double range = 12 * deviation + 2 * std::abs(rho) * static_cast<double>(n) * p * (1 - p) + 6;
  const testing::LatticeLaw law = testing::chain_law(a, b, {n + 1}, range, range, rho);
  const std::vector<ChunkKind> chunks{{n + 1, 1}};
  const CumulantFunction cumulants = lag_cumulants(chunks, 1, p);
  double rejected = 0;
  for (std::size_t i = 0; i < law.pmf.size(); ++i) {
    if (law.pmf[i] < 1e-12) continue;
    const double s = law.value(i) - std::copysign(std::min(p, 1 - p) / 2, law.value(i));
    if (saddlepoint_two_sided(cumulants, product_support(n, p), s).p_value <= alpha) rejected += law.pmf[i];
  }
  return rejected;
}

TEST(LagMinEffect, IsCaughtWithItsPowerByExactConvolution) {
  const double alpha = 1e-4, beta = 1e-3;
  for (const auto& [a, b, n] : std::vector<std::tuple<std::int64_t, std::int64_t, std::uint64_t>>{
           {1, 10, 4000}, {3, 10, 2000}, {1, 5, 3000}}) {
    const double effect = lag_min_effect(n, alpha, beta, static_cast<double>(a) / static_cast<double>(b));
    EXPECT_GE(power_of_lag_test(a, b, n, effect * 1.02, alpha), 1 - beta) << a << "/" << b;
    EXPECT_GE(power_of_lag_test(a, b, n, -effect, alpha), 1 - beta) << a << "/" << b;
    EXPECT_LT(power_of_lag_test(a, b, n, effect * 0.9, alpha), 1 - beta) << a << "/" << b;
  }
}

TEST(LagMinEffect, ApproachesTheFirstOrderFormula) {
  const std::uint64_t n = std::uint64_t{1} << 34;
  const double first_order = 10.8628 / std::sqrt(static_cast<double>(n));
  EXPECT_NEAR(lag_min_effect(n, 1e-9, 1e-6, 0.1) / first_order, 1.0, 2e-3);
  EXPECT_NEAR(lag_min_effect(n, 1e-9, 1e-6, 0.5) / first_order, 1.0, 2e-3);
  EXPECT_EQ(lag_min_effect(0, 1e-9, 1e-6, 0.1), kInfinity);
  EXPECT_EQ(lag_min_effect(10, 1e-9, 1e-6, 0.1), kInfinity);
}

TEST(LagMinSamples, Suffices) {
  for (const double p : {0.5, 0.1, 0.02}) {
    for (const double rho : {0.3, 1e-2, 1e-3}) {
      const std::uint64_t n = lag_min_samples(rho, 1e-9, 1e-6, p);
      EXPECT_LE(lag_min_effect(n, 1e-9, 1e-6, p), rho);
      EXPECT_GT(lag_min_effect(n - n / 32 - 1, 1e-9, 1e-6, p), rho);
    }
  }
}

}  // namespace
}  // namespace dropcheck::stats
