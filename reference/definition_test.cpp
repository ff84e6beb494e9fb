#include "reference/definition.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace dropcheck::reference {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double round_f32(double x) { return round_to(x, DType::f32); }

TEST(AlphaConstants, MatchPublishedTable) {
  struct Row {
    double p, gain, kept_shift, dropped;
  };
  // Computed from the formulas in 30 digits; PyTorch's kernels give the same to 12.
  for (const Row& row : {Row{0.1, 0.92128451615, 0.161970970058, -1.45773873052},
                         Row{0.2, 0.878903583444, 0.309039962144, -1.23615984858},
                         Row{0.5, 0.886404894666, 0.779193930518, -0.779193930518},
                         Row{0.8, 1.19991215612, 1.6876518166, -0.42191295415}}) {
    EXPECT_NEAR(alpha_gain(row.p), row.gain, 5e-12 * row.gain);
    EXPECT_NEAR(alpha_kept_shift(row.p), row.kept_shift, 5e-12);
    EXPECT_NEAR(alpha_dropped_shift(row.p), row.dropped, 5e-12);
  }
}

TEST(AlphaConstants, PreserveMeanZeroAndVarianceOne) {
  // y = a x + alpha a p with probability q, -alpha a q with probability p; x has mean 0 and variance 1. Then
  // E y = q alpha a p - p alpha a q = 0, and E y^2 = q (a^2 + (alpha a p)^2) + p (alpha a q)^2 = a^2 q (1 +
  // alpha^2 p) = 1.
  for (int percent = 1; percent < 100; ++percent) {
    const double p = percent / 100.0, q = 1 - p;
    const double a = alpha_gain(p), kept = alpha_kept_shift(p), dropped = alpha_dropped_shift(p);
    EXPECT_NEAR(q * kept + p * dropped, 0.0, 1e-15);
    EXPECT_NEAR(q * (a * a + kept * kept) + p * dropped * dropped, 1.0, 4e-15);
  }
}

TEST(Definition, PlainKeepsTimesRoundedReciprocal) {
  EXPECT_EQ(Definition(Op::dropout, 0.5, DType::f32).kept(3.0), 6.0);
  const float f32_scale = 1.0f / static_cast<float>(1.0 - 0.15);
  EXPECT_EQ(Definition(Op::dropout, 0.15, DType::f32).kept(1.0), static_cast<double>(f32_scale));
  EXPECT_EQ(Definition(Op::dropout2d, 0.15, DType::f64).kept(3.0), 3.0 * (1.0 / 0.85));
  // bf16: 1/0.7 = 1.428571 rounds to 1.4296875, three of it is 4.2890625, between 4.28125 and 4.3125.
  EXPECT_EQ(Definition(Op::dropout, 0.3, DType::bf16).kept(1.0), 1.4296875);
  EXPECT_EQ(Definition(Op::dropout, 0.3, DType::bf16).kept(3.0), 4.28125);
}

TEST(Definition, HalfTypesRoundTheFactorFirst) {
  // The relative error of the factor is that of rounding 1/q to the half type: a known bias, not a defect.
  EXPECT_NEAR(Definition(Op::dropout, 0.1, DType::bf16).kept(1.0) * 0.9 - 1, -1.56e-3, 1e-5);
  EXPECT_NEAR(Definition(Op::dropout, 0.15, DType::bf16).kept(1.0) * 0.85 - 1, 2.73e-3, 1e-5);
  EXPECT_NEAR(Definition(Op::dropout, 0.1, DType::f16).kept(1.0) * 0.9 - 1, 2.0e-4, 1e-5);
}

TEST(Definition, DroppedKeepsSignAndNaN) {
  for (const DType dtype : kFloatDTypes) {
    const Definition plain(Op::dropout, 0.5, dtype);
    EXPECT_FALSE(std::signbit(plain.dropped(1.0)));
    EXPECT_TRUE(std::signbit(plain.dropped(-1.0)));
    EXPECT_TRUE(std::signbit(plain.dropped(-0.0)));
    EXPECT_TRUE(std::isnan(plain.dropped(kNaN)));
    EXPECT_TRUE(std::isnan(plain.dropped(kInfinity)));
    EXPECT_TRUE(std::isnan(plain.kept(kNaN)));
    EXPECT_EQ(plain.kept(-kInfinity), -kInfinity);
    const Definition alpha(Op::alpha_dropout, 0.5, dtype);
    EXPECT_TRUE(std::isnan(alpha.dropped(kInfinity)));
    EXPECT_TRUE(std::isnan(alpha.dropped(kNaN)));
    EXPECT_EQ(alpha.kept(kInfinity), kInfinity);
  }
  EXPECT_TRUE(std::signbit(zeroed(-2.0)));
  EXPECT_TRUE(std::isnan(zeroed(kInfinity)));
}

TEST(Definition, LargeValuesOverflow) {
  EXPECT_EQ(Definition(Op::dropout, 0.5, DType::f32).kept(round_f32(3e38)), kInfinity);
  EXPECT_EQ(Definition(Op::dropout, 0.5, DType::f16).kept(60000), kInfinity);
}

TEST(Definition, AlphaIsComputedInFloatAndRoundedOnce) {
  const double p = 0.2, x = 0.7109375;  // exact in every dtype
  const float product = static_cast<float>(x) * static_cast<float>(alpha_gain(p));
  const float kept = product + static_cast<float>(alpha_kept_shift(p));
  const auto dropped = static_cast<float>(alpha_dropped_shift(p));
  EXPECT_EQ(Definition(Op::alpha_dropout, p, DType::f32).kept(x), static_cast<double>(kept));
  EXPECT_EQ(Definition(Op::alpha_dropout, p, DType::f32).dropped(x), static_cast<double>(dropped));
  for (const DType half : {DType::f16, DType::bf16}) {
    EXPECT_EQ(Definition(Op::feature_alpha_dropout, p, half).kept(x),
              round_to(static_cast<double>(kept), half));
    EXPECT_EQ(Definition(Op::feature_alpha_dropout, p, half).dropped(x),
              round_to(static_cast<double>(dropped), half));
  }
  EXPECT_EQ(Definition(Op::alpha_dropout, p, DType::f64).kept(x), x * alpha_gain(p) + alpha_kept_shift(p));
}

TEST(Definition, GradientUsesTheForwardFactor) {
  for (const DType dtype : kFloatDTypes) {
    const Definition plain(Op::dropout, 0.3, dtype);
    const Definition alpha(Op::alpha_dropout, 0.3, dtype);
    for (const double dy : {1.0, -3.0, 0.15625}) {
      EXPECT_EQ(plain.kept_gradient(dy), plain.kept(dy));
      EXPECT_EQ(plain.dropped_gradient(dy), 0.0);
      EXPECT_EQ(alpha.dropped_gradient(dy), 0.0);
      const double gain = dtype == DType::f64 ? alpha_gain(0.3) : round_f32(alpha_gain(0.3));
      const double product = dtype == DType::f64 ? dy * gain : round_f32(dy * gain);
      EXPECT_EQ(alpha.kept_gradient(dy), round_to(product, dtype));
    }
    EXPECT_TRUE(std::signbit(plain.dropped_gradient(-1.0)));
    EXPECT_TRUE(std::isnan(plain.dropped_gradient(kInfinity)));
  }
}

}  // namespace
}  // namespace dropcheck::reference
