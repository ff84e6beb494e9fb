#include "reference/scale_forms.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <vector>

namespace dropcheck::reference {
namespace {

using testing::ElementsAre;

constexpr ScaleForm kA = ScaleForm::reciprocal_of_rounded_q;
constexpr ScaleForm kB = ScaleForm::rounded_reciprocal;
constexpr ScaleForm kQuotient = ScaleForm::quotient;

/// Values that fill the significand of the dtype, of both signs.
std::vector<double> some_values(DType dtype) {
  std::vector<double> values;
  for (int i = 1; i <= 400; ++i) values.push_back(round_to(std::sin(i) * 16.0, dtype));
  return values;
}

TEST(ScaleForms, ThreeForWideAndSevenForHalfTypes) {
  EXPECT_EQ(scale_forms(DType::f32).size(), 3u);
  EXPECT_EQ(scale_forms(DType::f64).size(), 3u);
  EXPECT_EQ(scale_forms(DType::f16).size(), 7u);
  EXPECT_EQ(scale_forms(DType::bf16).size(), 7u);
  EXPECT_EQ(gradient_forms(Op::dropout2d, DType::bf16).size(), 7u);
  EXPECT_THAT(std::vector(gradient_forms(Op::alpha_dropout, DType::f32).begin(),
                          gradient_forms(Op::alpha_dropout, DType::f32).end()),
              ElementsAre(ScaleForm::rounded_gain));
  EXPECT_EQ(gradient_forms(Op::feature_alpha_dropout, DType::f16).size(), 2u);
}

TEST(ScaleForms, NamesAreDistinct) {
  std::set<std::string_view> names;
  for (const ScaleForm form : scale_forms(DType::bf16)) names.insert(to_string(form));
  for (const ScaleForm form : gradient_forms(Op::alpha_dropout, DType::bf16)) names.insert(to_string(form));
  EXPECT_EQ(names.size(), 9u);
  EXPECT_EQ(to_string(kA), "x * fl(1/fl(q))");
}

TEST(ScaleForms, FormsThatBeginWithAFloatPAreTheirFloatOperations) {
  constexpr double kP = 0.6;
  const float q = 1.0f - static_cast<float>(kP);
  ASSERT_NE(q, static_cast<float>(1 - kP)) << "otherwise the forms would not be told apart";
  for (const double value : some_values(DType::f32)) {
    const auto x = static_cast<float>(value);
    const auto form = [&](ScaleForm f) { return static_cast<float>(kept_value(f, value, kP, DType::f32)); };
    EXPECT_EQ(form(ScaleForm::quotient_of_float_q), x / q);
    EXPECT_EQ(form(ScaleForm::reciprocal_of_float_q), x * (1.0f / q));
    EXPECT_EQ(form(ScaleForm::times_float_q), x * q);
    EXPECT_EQ(form(ScaleForm::times_q), x * static_cast<float>(1 - kP));
    EXPECT_EQ(form(ScaleForm::unscaled), x);
  }
  for (const double value : some_values(DType::bf16)) {
    const auto x = static_cast<float>(value);
    const auto form = [&](ScaleForm f) { return kept_value(f, value, kP, DType::bf16); };
    const auto rounded = [](float y) { return round_to(static_cast<double>(y), DType::bf16); };
    EXPECT_EQ(form(ScaleForm::wide_quotient_of_float_q), rounded(x / q));
    EXPECT_EQ(form(ScaleForm::wide_reciprocal_of_float_q), rounded(x * (1.0f / q)));
    EXPECT_EQ(form(ScaleForm::wide_times_float_q), rounded(x * q));
    EXPECT_EQ(form(ScaleForm::wide_times_q), rounded(x * static_cast<float>(1 - kP)));
  }
}

TEST(ScaleForms, TheGainOfKerasInF64IsTheDefinitionsOrItsNeighbour) {
  constexpr double kAlphaPrime = -1.7580993408473766;
  int neighbours = 0;
  for (int i = 1; i < 1000; ++i) {
    const double p = i / 1000.0;
    const double gain = std::pow((1 - p) * (1 + p * (kAlphaPrime * kAlphaPrime)), -0.5);  // as Keras has it
    const auto form = [&](ScaleForm f) { return kept_gradient(f, 1.0, p, DType::f64); };
    const bool exact = gain == form(ScaleForm::rounded_gain);
    neighbours += exact ? 0 : 1;
    EXPECT_TRUE(exact || gain == form(ScaleForm::gain_below) || gain == form(ScaleForm::gain_above)) << p;
  }
  EXPECT_GT(neighbours, 0);
}

TEST(ScaleForms, EveryFormHasANameThatFindsIt) {
  std::set<std::string_view> names, formulas;
  std::size_t count = 0;
  for (const auto& forms : {scale_forms(DType::bf16), float_scale_forms(DType::bf16), eval_forms(DType::bf16),
                            near_gain_forms(DType::f64), float_scale_forms(DType::f64).last(1),
                            gradient_forms(Op::alpha_dropout, DType::bf16)})
    for (const ScaleForm form : forms) {
      ++count;
      names.insert(name_of(form));
      formulas.insert(to_string(form));
      EXPECT_EQ(scale_form_from(name_of(form)), form);
    }
  EXPECT_EQ(names.size(), count);
  EXPECT_EQ(formulas.size(), count);
  EXPECT_FALSE(scale_form_from("no form"));
  EXPECT_EQ(float_scale_forms(DType::f32).size(), 2u);
  EXPECT_EQ(kept_value(ScaleForm::reciprocal_of_f32_q, 3.0, 0.09, DType::f64),
            3.0 * static_cast<double>(1.0f / static_cast<float>(1 - 0.09)));
  EXPECT_EQ(eval_forms(DType::f64).size(), 2u);
  EXPECT_EQ(near_gain_forms(DType::f64).size(), 2u);
  EXPECT_TRUE(near_gain_forms(DType::f32).empty());
}

TEST(ScaleForms, ReciprocalsDifferInF32ForFifteenTwoDecimalP) {
  std::vector<int> differing;
  for (int percent = 1; percent < 100; ++percent) {
    const double p = percent / 100.0;
    if (kept_value(kA, 1.0, p, DType::f32) != kept_value(kB, 1.0, p, DType::f32))
      differing.push_back(percent);
  }
  EXPECT_THAT(differing, ElementsAre(4, 9, 15, 42, 45, 47, 48, 52, 71, 74, 76, 87, 88, 94, 97));
}

TEST(ScaleForms, ReciprocalsAgreeInF64) {
  for (const double p : {0.1, 0.15, 0.3, 0.5})
    EXPECT_EQ(kept_value(kA, 3.0, p, DType::f64), kept_value(kB, 3.0, p, DType::f64));
}

TEST(ScaleForms, F32FormsAreThePlainFloatOperations) {
  for (const double p : {0.04, 0.1, 0.15, 1.0 / 3.0, 0.7, 0.99}) {
    const double q = 1.0 - p;
    const auto fl_q = static_cast<float>(q);
    for (const double value : some_values(DType::f32)) {
      const auto x = static_cast<float>(value);
      EXPECT_EQ(static_cast<float>(kept_value(kA, value, p, DType::f32)), x * (1.0f / fl_q));
      EXPECT_EQ(static_cast<float>(kept_value(kB, value, p, DType::f32)), x * static_cast<float>(1.0 / q));
      EXPECT_EQ(static_cast<float>(kept_value(kQuotient, value, p, DType::f32)), x / fl_q);
    }
  }
}

TEST(ScaleForms, HalfFormsAreTheFloatOperationsThenOneRounding) {
  for (const DType dtype : {DType::f16, DType::bf16}) {
    for (const double p : {0.1, 0.3, 0.42}) {
      const double q = 1.0 - p;
      const auto q32 = static_cast<float>(q);
      const auto rounded = [&](float value) { return round_to(static_cast<double>(value), dtype); };
      const auto narrow = [&](double value) { return static_cast<float>(round_to(value, dtype)); };
      for (const double value : some_values(dtype)) {
        const auto x = static_cast<float>(value);
        EXPECT_EQ(kept_value(kA, value, p, dtype), rounded(x * narrow(1.0 / static_cast<double>(narrow(q)))));
        EXPECT_EQ(kept_value(kB, value, p, dtype), rounded(x * narrow(1.0 / q)));
        EXPECT_EQ(kept_value(kQuotient, value, p, dtype), rounded(x / narrow(q)));
        EXPECT_EQ(kept_value(ScaleForm::wide_reciprocal_A, value, p, dtype), rounded(x * (1.0f / q32)));
        EXPECT_EQ(kept_value(ScaleForm::wide_reciprocal_B, value, p, dtype),
                  rounded(x * static_cast<float>(1.0 / q)));
        EXPECT_EQ(kept_value(ScaleForm::reciprocal_of_wide_q, value, p, dtype),
                  rounded(x * narrow(static_cast<double>(1.0f / q32))));
        EXPECT_EQ(kept_value(ScaleForm::wide_quotient, value, p, dtype), rounded(x / q32));
      }
    }
  }
}

TEST(ScaleForms, BFloat16FormsOfThreeOverSevenTenths) {
  // bf(1/0.7) = 1.4296875 and 3 * 1.4296875 = 4.2890625 -> 4.28125; the unrounded 3 / 0.7 = 4.2857 rounds
  // there too.
  EXPECT_EQ(kept_value(ScaleForm::reciprocal_of_wide_q, 3.0, 0.3, DType::bf16), 4.28125);
  EXPECT_EQ(kept_value(ScaleForm::wide_reciprocal_A, 3.0, 0.3, DType::bf16), 4.28125);
  EXPECT_EQ(kept_value(kB, 1.0, 0.3, DType::bf16), 1.4296875);
}

TEST(ScaleForms, DefinitionFollowsOneForm) {
  for (const DType dtype : kFloatDTypes) {
    const ScaleForm form = dtype == DType::f32 || dtype == DType::f64 ? kA : ScaleForm::reciprocal_of_wide_q;
    for (int percent = 1; percent < 100; ++percent) {
      const double p = percent / 100.0;
      const Definition definition(Op::dropout, p, dtype);
      for (const double x : {1.0, -3.0, 97.0}) EXPECT_EQ(definition.kept(x), kept_value(form, x, p, dtype));
      const GradientForm gain =
          dtype == DType::f32 || dtype == DType::f64 ? ScaleForm::rounded_gain : ScaleForm::wide_gain;
      for (const double dy : {1.0, -3.0})
        EXPECT_EQ(Definition(Op::alpha_dropout, p, dtype).kept_gradient(dy),
                  kept_gradient(gain, dy, p, dtype));
    }
  }
}

TEST(FormFilter, LeavesTheFormThatWasUsed) {
  for (const DType dtype : kFloatDTypes) {
    for (const ScaleForm used : scale_forms(dtype)) {
      FormFilter filter(scale_forms(dtype), 0.15, dtype);
      for (const double x : some_values(dtype)) filter.observe(x, kept_value(used, x, 0.15, dtype));
      const auto left = filter.remaining();
      EXPECT_NE(std::find(left.begin(), left.end(), used), left.end()) << to_string(used);
    }
  }
}

TEST(FormFilter, SeparatesFormsAndRefusesWrongScales) {
  FormFilter f32(scale_forms(DType::f32), 0.15, DType::f32);
  for (const double x : some_values(DType::f32)) f32.observe(x, kept_value(kB, x, 0.15, DType::f32));
  EXPECT_THAT(f32.remaining(), ElementsAre(kB));
  EXPECT_EQ(f32.description(), "x * fl(1/q)");
  f32.observe(1.0, 1.0);
  EXPECT_TRUE(f32.empty());
  EXPECT_EQ(f32.description(), "none");
}

TEST(FormFilter, MergeIsTheIntersection) {
  FormFilter one(scale_forms(DType::f32), 0.15, DType::f32), other = one;
  for (const double x : some_values(DType::f32)) other.observe(x, kept_value(kQuotient, x, 0.15, DType::f32));
  one.observe(1.0, kept_value(kQuotient, 1.0, 0.15, DType::f32));
  one.merge(other);
  EXPECT_THAT(one.remaining(), ElementsAre(kQuotient));
}

TEST(FormFilter, NaNEqualsNaNAndSignsOfZeroDiffer) {
  FormFilter filter(scale_forms(DType::f32), 0.5, DType::f32);
  filter.observe(std::numeric_limits<double>::quiet_NaN(), -std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(filter.remaining().size(), 3u);
  filter.observe(-0.0, 0.0);
  EXPECT_TRUE(filter.empty());
}

TEST(AlphaValues, BoundCoversOtherAssociations) {
  for (const DType dtype : kFloatDTypes) {
    for (const double p : {0.01, 0.1, 0.5, 0.8, 0.99}) {
      const auto fl = [&](double value) { return round_to(value, dtype); };
      const double a = alpha_gain(p), q = 1.0 - p;
      for (const double x : some_values(dtype)) {
        const AlphaValues exact = alpha_values(x, p, dtype);
        // Every operation rounded to the dtype: noise * a, then b = (noise - 1) * (alpha a) + alpha a p.
        const double b_kept = fl(kAlpha * a * p);
        const double b_dropped = fl(fl(-1.0 * fl(kAlpha * a)) + b_kept);
        EXPECT_LE(std::abs(fl(fl(x * fl(a)) + b_kept) - exact.kept), exact.kept_tolerance);
        EXPECT_LE(std::abs(b_dropped - exact.dropped), exact.dropped_tolerance);
        // The definition's own order, and one with a factored out.
        const Definition definition(Op::alpha_dropout, p, dtype);
        EXPECT_LE(std::abs(definition.kept(x) - exact.kept), exact.kept_tolerance);
        EXPECT_LE(std::abs(definition.dropped(x) - exact.dropped), exact.dropped_tolerance);
        EXPECT_LE(std::abs(fl(fl(a) * fl(x + fl(kAlpha * p))) - exact.kept), exact.kept_tolerance);
        EXPECT_LE(std::abs(fl(fl(-kAlpha * a) * fl(q)) - exact.dropped), exact.dropped_tolerance);
        // Another way to a itself, which matters in f64.
        const double other_a = std::sqrt(1.0 / (q * std::fma(kAlpha * kAlpha, p, 1.0)));
        EXPECT_LE(std::abs(fl(fl(x + fl(kAlpha * p)) * fl(other_a)) - exact.kept), exact.kept_tolerance);
      }
    }
  }
}

TEST(AlphaValues, BoundIsTighterThanAMissingShift) {
  for (const DType dtype : kFloatDTypes) {
    const AlphaValues at_one = alpha_values(1.0, 0.1, dtype);
    EXPECT_LT(at_one.kept_tolerance, alpha_kept_shift(0.1));
    EXPECT_LT(at_one.dropped_tolerance, 0.1 * -at_one.dropped);
  }
}

}  // namespace
}  // namespace dropcheck::reference
