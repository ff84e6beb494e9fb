#include "harness/stats/gamma_law.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>
#include <string>

#include "harness/stats/chi_squared.hpp"

namespace dropcheck::stats {
namespace {

TEST(GammaTail, IsClosedFormForOneExponentialTerm) {
  const GammaLaw law{3, 9};
  for (const double x : {0.01, 1.0, 2.0, 30.0, 300.0, 1500.0}) {
    const double expected = 2 * std::min(-std::expm1(-x / 3), std::exp(-x / 3));
    EXPECT_NEAR(gamma_two_sided(law, x).p_value / std::min(1.0, expected), 1, 1e-12) << x;
    EXPECT_STREQ(gamma_two_sided(law, x).engine, "gamma");
  }
}

TEST(GammaTail, IsPoissonsForWholeShapes) {
  // P(Gamma(5, 1) >= x) = P(Poisson(x) < 5).
  const double x = 40;
  double sum = 0, term = std::exp(-x);
  for (int k = 0; k < 5; term *= x / ++k) sum += term;
  EXPECT_NEAR(gamma_two_sided({5, 5}, x).p_value / (2 * sum), 1, 1e-12);
}

TEST(GammaTail, ContinuesAsABoundThatIsNeverTooSmall) {
  const GammaLaw law{256, 256};
  double before = 0;
  bool bound = false;
  for (double x = 300; x < 5000; x += 50) {
    const Tail tail = gamma_two_sided(law, x);
    EXPECT_LT(tail.log10_p, before) << x;
    before = tail.log10_p;
    bound = bound || std::string(tail.engine) == "gamma_chernoff";
    // Chernoff's bound lies above the exact tail, which chi-squared gives for one side.
    const double one_side = chi_squared_upper(2 * x, 512).log10_p;
    EXPECT_GE(tail.log10_p, one_side - 1e-9);
  }
  EXPECT_TRUE(bound);
  EXPECT_LT(gamma_two_sided(law, 1e-6).log10_p, -300);
  EXPECT_TRUE(std::isfinite(gamma_two_sided(law, 1e-6).log10_p));
}

TEST(GammaTail, ExcludesSumsThatCannotBe) {
  EXPECT_EQ(gamma_two_sided({5, 5}, 0).p_value, 0);
  EXPECT_THROW(gamma_two_sided({5, 5}, -1), std::domain_error);
  EXPECT_THROW(gamma_two_sided({0, 5}, 1), std::domain_error);
  EXPECT_THROW(gamma_two_sided({5, 0}, 1), std::domain_error);
  EXPECT_THROW(gamma_upper_quantile({5, 5}, 0), std::domain_error);
}

TEST(GammaQuantile, InvertsTheTail) {
  const GammaLaw law{300, 330};
  for (const double tail : {1e-13, 1e-6, 0.1}) {
    EXPECT_NEAR(gamma_two_sided(law, gamma_upper_quantile(law, tail)).p_value / (2 * tail), 1, 1e-8);
    EXPECT_NEAR(gamma_two_sided(law, gamma_lower_quantile(law, tail)).p_value / (2 * tail), 1, 1e-8);
  }
}

}  // namespace
}  // namespace dropcheck::stats
