#include "harness/stats/poisson.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>
#include <string>

namespace dropcheck::stats {
namespace {

TEST(PoissonTail, MatchesSummation) {
  for (const double mean : {0.3, 4.0, 60.0}) {
    for (const std::uint64_t x : {0u, 1u, 3u, 12u, 100u}) {
      long double lower = 0, upper = 0, term = std::exp(-static_cast<long double>(mean));
      for (std::uint64_t k = 0; k < 2000; ++k) {
        if (k <= x) lower += term;
        if (k >= x) upper += term;
        term *= static_cast<long double>(mean) / static_cast<long double>(k + 1);
      }
      const double expected = static_cast<double>(std::min(1.0L, 2 * std::min(lower, upper)));
      EXPECT_NEAR(poisson_two_sided(mean, x).p_value / expected, 1, 1e-11) << mean << " " << x;
    }
  }
}

TEST(PoissonTail, ContinuesAsABoundBeyondUnderflow) {
  double before = 0;
  bool bound = false;
  for (std::uint64_t x = 200; x < 20000; x += 200) {
    const Tail tail = poisson_two_sided(100, x);
    EXPECT_LT(tail.log10_p, before);
    EXPECT_TRUE(std::isfinite(tail.log10_p));
    before = tail.log10_p;
    bound = bound || std::string(tail.engine) == "poisson_chernoff";
  }
  EXPECT_TRUE(bound);
  EXPECT_NEAR(poisson_two_sided(2000, 0).log10_p, std::log10(2.0) - 2000 / std::log(10.0), 1e-6);
  EXPECT_THROW(poisson_two_sided(0, 1), std::domain_error);
}

TEST(PoissonMinEffect, IsTheMeanAtWhichTheCriticalCountIsReached) {
  // Mean 1: P(X >= 12) = 8.3e-10 and P(X >= 13) = 6.4e-11, so 13 is the first that 1e-9 on both sides
  // rejects.
  const double effect = poisson_min_effect(1, 1e-9, 1e-6);
  std::uint64_t critical = 1;
  while (poisson_two_sided(1, critical).p_value > 1e-9) ++critical;
  EXPECT_EQ(critical, 13u);
  // P(X < critical) at that mean is beta: half the doubled tail.
  EXPECT_NEAR(poisson_two_sided(1 + effect, critical - 1).p_value / 2e-6, 1, 1e-6);
  EXPECT_NEAR(poisson_min_effect(1e8, 1e-9, 1e-6) * 1e4, 10.863, 0.02);
}

TEST(PoissonMinMean, SufficesForEveryLargerMean) {
  const double mean = poisson_min_mean(0.5, 1e-9, 1e-6);
  for (double more = 1; more < 1.2; more += 0.01) EXPECT_LE(poisson_min_effect(mean * more, 1e-9, 1e-6), 0.5);
  EXPECT_GT(poisson_min_effect(mean * 0.9, 1e-9, 1e-6), 0.5);
}

}  // namespace
}  // namespace dropcheck::stats
