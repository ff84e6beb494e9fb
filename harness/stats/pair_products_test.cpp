#include "harness/stats/pair_products.hpp"

#include <gtest/gtest.h>

#include <boost/multiprecision/cpp_bin_float.hpp>
#include <cmath>
#include <stdexcept>

namespace dropcheck::stats {
namespace {

using Real = boost::multiprecision::cpp_bin_float_50;

/// What a mask of `size` bits gives for one lag, bit by bit.
PairProducts count_pairs(std::uint64_t mask, unsigned size, unsigned lag) {
  PairProducts pairs;
  for (unsigned t = 0; t + lag < size; ++t) {
    const std::uint64_t left = mask >> t & 1, right = mask >> (t + lag) & 1;
    pairs += {left & right, left, right, 1};
  }
  return pairs;
}

TEST(PairProducts, CentredSumIsTheSumOfTheProducts) {
  for (std::uint64_t mask = 0; mask < 4096; mask += 7) {
    for (const double p : {0.0, 0.1, 0.5, 0.77, 1.0}) {
      double sum = 0;
      for (unsigned t = 0; t + 3 < 12; ++t)
        sum += (static_cast<double>(mask >> t & 1) - p) * (static_cast<double>(mask >> (t + 3) & 1) - p);
      EXPECT_NEAR(centred_sum(count_pairs(mask, 12, 3), p), sum, 1e-14);
    }
  }
}

TEST(PairProducts, CentredSumKeepsItsDigitsForTheLargestCounts) {
  const std::uint64_t n = std::uint64_t{1} << 53;
  const double p = 0.1;
  const PairProducts pairs{n / 100 + 12345, n / 10 - 777, n / 10 + 999, n};
  const Real exact =
      Real(pairs.n11) - Real(p) * (Real(pairs.n1L) + Real(pairs.n1R)) + Real(n) * Real(p) * Real(p);
  EXPECT_NEAR(centred_sum(pairs, p) / static_cast<double>(exact), 1.0, 1e-14);
}

TEST(PairProducts, RefusesCountsThatCannotBe) {
  EXPECT_THROW(centred_sum({3, 2, 5, 9}, 0.1), std::domain_error);
  EXPECT_THROW(centred_sum({2, 10, 5, 9}, 0.1), std::domain_error);
  EXPECT_THROW(centred_sum({0, 5, 5, 9}, 0.1), std::domain_error);
  EXPECT_THROW(centred_sum({1, 2, 3, 9}, std::nan("")), std::domain_error);
}

TEST(PairProducts, CorrelationIsOneOfEqualAndMinusOneOfOppositeEntries) {
  EXPECT_NEAR(pair_correlation({25, 25, 25, 100}, 0.25), 1.0, 1e-14);
  EXPECT_NEAR(pair_correlation({0, 50, 50, 100}, 0.5), -1.0, 1e-14);
  EXPECT_NEAR(pair_correlation({1, 10, 10, 100}, 0.1), 0.0, 1e-14);
  EXPECT_EQ(agreements({0, 50, 50, 100}), 0u);
  EXPECT_EQ(agreements({25, 25, 25, 100}), 100u);
}

}  // namespace
}  // namespace dropcheck::stats
