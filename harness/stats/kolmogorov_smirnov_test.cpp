#include "harness/stats/kolmogorov_smirnov.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <tuple>
#include <vector>

#include "harness/stats/randomised_pit.hpp"

namespace dropcheck::stats {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// P(D+ < d) as the volume of ordered uniforms with u_(i) > i/n - d, by integrating polynomials one variable
// at a time from the largest down (Steck 1971). Exact for small n, and independent of the sum under test.
long double one_sided_by_volume(int n, double d) {
  // With f_n+1 = 1, f_i(u) = integral over w in (max(u, a_i), 1) of f_{i+1}(w); then P = n! f_1(0), a_i = i/n
  // - d. Going up from the smallest instead: g_i(u) = integral over w in (a_i, u) of g_{i-1}(w), zero for u <
  // a_i.
  std::vector<long double> polynomial = {1.0L};  // coefficients of g in u
  long double factorial = 1.0L;
  for (int i = 1; i <= n; ++i) {
    factorial *= i;
    const long double from = std::max(0.0L, static_cast<long double>(i) / n - static_cast<long double>(d));
    std::vector<long double> integral(polynomial.size() + 1, 0.0L);
    long double at_from = 0.0L;
    for (std::size_t k = 0; k < polynomial.size(); ++k) {
      integral[k + 1] = polynomial[k] / static_cast<long double>(k + 1);
      at_from += integral[k + 1] * std::pow(from, static_cast<long double>(k + 1));
    }
    integral[0] = -at_from;
    polynomial = integral;
  }
  long double at_one = 0.0L;
  for (const long double coefficient : polynomial) at_one += coefficient;
  return 1.0L - factorial * at_one;
}

TEST(KsOneSided, IsClosedFormForOneAndTwoValues) {
  for (const double d : {0.01, 0.3, 0.5, 0.77, 0.99}) {
    EXPECT_NEAR(ks_one_sided_exact(1, d), 1 - d, 1e-15) << d;
    const double two = (1 - d) * (1 - d) + (d < 0.5 ? 2 * d * (0.5 - d) : 0.0);
    EXPECT_NEAR(ks_one_sided_exact(2, d), two, 1e-15) << d;
  }
}

TEST(KsOneSided, MatchesTheVolumeOfTheAcceptedRegion) {
  for (const int n : {3, 5, 8, 12}) {
    for (const double d : {0.05, 0.2, 0.35, 0.6, 0.8}) {
      const double expected = static_cast<double>(one_sided_by_volume(n, d));
      EXPECT_NEAR(ks_one_sided_exact(static_cast<std::uint64_t>(n), d), expected, 1e-12) << n << " " << d;
    }
  }
}

TEST(KsOneSided, ReproducesTheClassicTable) {
  // Smirnov's one-sided critical values (Miller 1956): n, level, d.
  for (const auto& [n, level, d] : std::vector<std::tuple<int, double, double>>{{10, 0.05, 0.36866},
                                                                                {10, 0.005, 0.48893},
                                                                                {20, 0.05, 0.26473},
                                                                                {20, 0.005, 0.35241},
                                                                                {100, 0.05, 0.12067}}) {
    EXPECT_NEAR(ks_one_sided_exact(static_cast<std::uint64_t>(n), d) / level, 1.0, 5e-4) << n << " " << level;
  }
}

TEST(KsOneSided, ApproachesTheLimitLawWithItsFirstCorrection) {
  // exp(-(6nd+1)^2 / (18n)), Maag & Dicaire 1971.
  const std::uint64_t n = 1000000;
  for (const double z : {0.3, 1.0, 2.0}) {
    const double d = z / std::sqrt(static_cast<double>(n));
    const double root = 6 * static_cast<double>(n) * d + 1;
    EXPECT_NEAR(ks_one_sided_exact(n, d) / std::exp(-root * root / (18 * static_cast<double>(n))), 1.0, 1e-5)
        << z;
  }
}

TEST(KsOneSided, StridedSumMeetsTheFullSum) {
  // At fixed z the law moves by the order of n^-1.5 from n to n + 1, where the stride sets in.
  const std::uint64_t n = std::uint64_t{1} << 20;
  for (const double z : {0.11, 0.4, 1.5, 3.3, 8.0}) {
    const double full = ks_log10_one_sided(n, z / std::sqrt(static_cast<double>(n)));
    const double strided = ks_log10_one_sided(n + 1, z / std::sqrt(static_cast<double>(n + 1)));
    EXPECT_NEAR(full, strided, 1e-9 * (1 + z * z)) << z;
  }
}

TEST(KsOneSided, StaysBelowMassartsBoundAndMonotone) {
  for (const std::uint64_t n : {3u, 50u, 2000u}) {
    double previous = 0.0;
    for (int step = 1; step < 1000; ++step) {
      const double d = step / 1000.0;
      const double log10_p = ks_log10_one_sided(n, d);
      EXPECT_LE(log10_p, previous + 1e-12) << n << " " << d;
      EXPECT_TRUE(std::isfinite(log10_p));
      const double massart = -2.0 * static_cast<double>(n) * d * d / std::log(10.0);
      if (massart < std::log10(0.5)) {
        EXPECT_LE(log10_p, massart + 1e-12) << n << " " << d;
      }
      previous = log10_p;
    }
  }
}

TEST(KsOneSided, HandlesTheEndsOfTheRange) {
  EXPECT_EQ(ks_one_sided_exact(10, 0.0), 1.0);
  EXPECT_EQ(ks_one_sided_exact(10, -0.5), 1.0);
  EXPECT_NEAR(ks_log10_one_sided(10, 1.0), -20 / std::log(10.0), 1e-12);
  EXPECT_EQ(ks_log10_one_sided(10, 1.5), -kInfinity);
  EXPECT_EQ(ks_one_sided_exact(10, 1.5), 0.0);
  EXPECT_THROW(ks_one_sided_exact(0, 0.5), std::domain_error);
}

TEST(KsOneSided, NeverUnderflowsInLogarithms) {
  EXPECT_EQ(ks_one_sided_exact(100000, 0.5), 0.0);
  EXPECT_LT(ks_log10_one_sided(100000, 0.5), -20000.0);
  EXPECT_TRUE(std::isfinite(ks_log10_one_sided(100000, 0.5)));
}

TEST(KsTwoSided, FindsTheLargestDistanceOnEitherSide) {
  EXPECT_NEAR(ks_two_sided(std::vector<double>{0.1, 0.2, 0.3}).statistic, 0.7, 1e-15);
  EXPECT_NEAR(ks_two_sided(std::vector<double>{0.7, 0.8, 0.9}).statistic, 0.7, 1e-15);
  EXPECT_NEAR(ks_two_sided(std::vector<double>{0.25, 0.5, 0.75, 1.0}).statistic, 0.25, 1e-15);
}

TEST(KsTwoSided, IsExactForOneValue) {
  // |u - 1/2| + 1/2 >= d has probability 2(1 - d) for d >= 1/2.
  EXPECT_NEAR(ks_two_sided(std::vector<double>{0.9}).tail.p_value, 0.2, 1e-14);
  EXPECT_NEAR(ks_two_sided(std::vector<double>{0.5}).tail.p_value, 1.0, 1e-14);
}

TEST(KsTwoSided, MatchesTheTwoSidedTable) {
  // Two-sided 0.01 value for n = 20 (Miller 1956): twice the one-sided law to within the table.
  std::vector<double> values(20);
  for (std::size_t i = 0; i < 20; ++i) values[i] = std::max(0.0, static_cast<double>(i + 1) / 20 - 0.35241);
  const KsResult result = ks_two_sided(values);
  EXPECT_NEAR(result.statistic, 0.35241, 1e-12);
  EXPECT_NEAR(result.tail.p_value, 0.01, 1e-5);
  EXPECT_STREQ(result.tail.engine, "kolmogorov_smirnov_exact");
}

TEST(KsTwoSided, RefusesWhatIsNotAnOrderedSample) {
  EXPECT_THROW(ks_two_sided(std::vector<double>{0.5, 0.4}), std::domain_error);
  EXPECT_THROW(ks_two_sided(std::vector<double>{0.5, 1.5}), std::domain_error);
  EXPECT_THROW(ks_two_sided(std::vector<double>{std::nan("")}), std::domain_error);
}

TEST(KsTwoSided, HasNoEvidenceWithoutValues) { EXPECT_EQ(ks_two_sided({}).tail.p_value, 1.0); }

TEST(KsTwoSided, SurvivesTotalDisplacement) {
  const KsResult result = ks_two_sided(std::vector<double>(1000, 0.0));
  EXPECT_EQ(result.statistic, 1.0);
  EXPECT_LT(result.tail.log10_p, -800.0);
  EXPECT_TRUE(std::isfinite(result.tail.log10_p));
}

TEST(KsOfBlockHistogram, AgreesWithSortingAllValues) {
  const std::vector<std::uint64_t> histogram = {5, 20, 31, 22, 9, 3};
  std::vector<double> values;
  for (std::uint64_t count = 0; count < histogram.size(); ++count) {
    for (std::uint64_t i = 0; i < histogram[count]; ++i) {
      values.push_back(randomised_pit_u(8, count, 0.25, keyed_uniform(derived_key(99, count), i)));
    }
  }
  std::sort(values.begin(), values.end());
  const KsResult direct = ks_two_sided(values);
  const KsResult folded = ks_of_block_histogram(histogram, 8, 0.25, 99);
  EXPECT_EQ(folded.n, 90u);
  EXPECT_NEAR(folded.statistic, direct.statistic, 1e-14);
  EXPECT_NEAR(folded.tail.log10_p, direct.tail.log10_p, 1e-10);
}

TEST(KsOfBlockHistogram, RejectsAtItsNominalLevel) {
  std::mt19937_64 generator(31337);
  constexpr int kRuns = 3000;
  int rejected = 0;
  for (int run = 0; run < kRuns; ++run) {
    std::vector<std::uint64_t> histogram(17, 0);
    for (int block = 0; block < 100; ++block) {
      std::size_t count = 0;
      for (int i = 0; i < 16; ++i) count += generator() < (std::uint64_t{1} << 62);
      ++histogram[count];
    }
    rejected += ks_of_block_histogram(histogram, 16, 0.25, generator()).tail.p_value <= 0.01;
  }
  EXPECT_GE(rejected, 7);  // Bin(3000, 0.01): mean 30, standard deviation 5.4
  EXPECT_LE(rejected, 60);
}

TEST(KsOfBlockHistogram, CatchesCountsThatNeverVary) {
  std::vector<std::uint64_t> histogram(65, 0);
  histogram[6] = 10000;
  EXPECT_LT(ks_of_block_histogram(histogram, 64, 0.1, 5).tail.log10_p, -300.0);
}

TEST(KsOfBlockHistogram, RefusesCountsAboveTheBlock) {
  const std::vector<std::uint64_t> histogram = {1, 1, 1};
  EXPECT_THROW(ks_of_block_histogram(histogram, 1, 0.5, 5), std::domain_error);
}

TEST(KsPlan, RoundTrips) {
  for (const double effect : {0.5, 0.076, 1e-3, 1e-5}) {
    const std::uint64_t n = ks_min_samples(effect, 1e-9, 1e-6);
    EXPECT_LE(ks_min_effect(n, 1e-9, 1e-6), effect * (1 + 1e-15));
    EXPECT_GT(ks_min_effect(n - 1, 1e-9, 1e-6), effect * (1 - 1e-15));
  }
  EXPECT_EQ(ks_min_effect(0, 1e-9, 1e-6), kInfinity);
  EXPECT_EQ(ks_min_effect(10, 1e-9, 1e-6), kInfinity);
}

TEST(KsPlan, ItsCriticalValueIsRejectedByTheExactTest) {
  for (const std::uint64_t n : {100u, 10000u}) {
    const double critical = std::sqrt(std::log(2 / 1e-9) / (2.0 * static_cast<double>(n)));
    EXPECT_LE(2 * ks_one_sided_exact(n, critical), 1e-9);
  }
}

}  // namespace
}  // namespace dropcheck::stats
