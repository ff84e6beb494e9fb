#include "harness/stats/tail.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

TEST(Tail, KeepsLogarithmWhereTheValueUnderflows) {
  const Tail tail = tail_from_ln(-2000.0, "engine");
  EXPECT_EQ(tail.p_value, 0.0);
  EXPECT_NEAR(tail.log10_p, -2000.0 / std::log(10.0), 1e-9);
}

TEST(Tail, CapsAtCertainty) {
  EXPECT_EQ(tail_from_ln(0.5, "engine").p_value, 1.0);
  EXPECT_EQ(tail_from_ln(0.5, "engine").log10_p, 0.0);
  EXPECT_EQ(tail_from_p(1.5, "engine").p_value, 1.0);
}

TEST(Tail, DoesNotJumpUpwardsWhereTheExactEngineEnds) {
  EXPECT_EQ(tail_below_exact(1e-305, -600.0, "engine").log10_p, -300.0);
  EXPECT_NEAR(tail_below_exact(0.0, -1000.0, "engine").log10_p, -1000.0 / std::log(10.0), 1e-9);
}

TEST(Tail, BonferroniMultipliesBothForms) {
  const Tail corrected = bonferroni(tail_from_ln(-1000.0, "one"), 1000, "many");
  EXPECT_NEAR(corrected.log10_p, -1000.0 / std::log(10.0) + 3.0, 1e-9);
  EXPECT_EQ(bonferroni(tail_from_p(0.5, "one"), 3, "many").p_value, 1.0);
  EXPECT_EQ(bonferroni(tail_from_p(0.5, "one"), 3, "many").log10_p, 0.0);
  EXPECT_EQ(bonferroni(impossible_event("one"), 3, "many").log10_p, -std::numeric_limits<double>::infinity());
}

TEST(Preconditions, RefuseNotANumber) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(tail_from_p(nan, "engine"), std::domain_error);
  EXPECT_THROW(tail_from_ln(nan, "engine"), std::domain_error);
  EXPECT_THROW(require_error_rates(nan, 0.1), std::domain_error);
  EXPECT_THROW(require_error_rates(0.1, 1.0), std::domain_error);
}

TEST(Preconditions, RefuseCountsThatDoublesCannotHold) {
  EXPECT_EQ(exact_double(std::uint64_t{1} << 53), 0x1p53);
  EXPECT_THROW(exact_double((std::uint64_t{1} << 53) + 1), std::domain_error);
}

}  // namespace
}  // namespace dropcheck::stats
