#include "impl/mutants/rate_backend.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "impl/mutants/generator.hpp"
#include "impl/mutants/mask.hpp"
#include "impl/mutants/philox.hpp"
#include "impl/mutants/testing/outputs.hpp"

namespace dropcheck::mutants {
namespace {

using reference::OneCall;
using reference::OneResult;
using reference::run_one;

OneCall ones(double p, DType dtype = DType::f32, std::int64_t count = 1 << 20) {
  OneCall one = mutants::ones(p, {count});
  one.problem.dtype = dtype;
  return one;
}

double drop_rate(const std::vector<double>& y) {
  return static_cast<double>(std::count(y.begin(), y.end(), 0.0)) / static_cast<double>(y.size());
}
double rate(const std::string& id, const OneCall& one) { return drop_rate(output(id, one)); }

/// 2^20 draws: five standard deviations of a rate are below 0.0025. Masks are fixed, so no test can fail by
/// chance later.
constexpr double kNear = 0.0025;

TEST(RateMutant, AddsItsStrengthToP) {
  EXPECT_NEAR(rate("rate_shift_tenfold", ones(0.1)), 0.11, 5 * 0.00031);
  EXPECT_EQ(rate("rate_shift_tenfold", ones(0.0)), 0.0) << "p = 0 draws nothing";
  // The same draws, one threshold above the other: only what lies between them changes.
  const auto shifted = output("rate_shift_limit", ones(0.5)), clean = output("none", ones(0.5));
  std::size_t more = 0;
  for (std::size_t i = 0; i < clean.size(); ++i) {
    EXPECT_TRUE(shifted[i] == clean[i] || shifted[i] == 0);
    more += shifted[i] != clean[i] ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(more), 1e-3 * 0x1p20, 5 * 32.4);
  EXPECT_EQ(rate("rate_shift_tenfold", ones(0.995)), 1.0) << "p + 0.01 is 1 at most";
}

TEST(RateMutant, BelowParts255OfTheKeepProbability) {
  // (floor(255 0.9) + 1) / 256 = 230 / 256 is kept.
  EXPECT_NEAR(rate("kept_below_255ths", ones(0.1)), 1 - 230.0 / 256, kNear);
  EXPECT_EQ(rate("kept_below_255ths", ones(0.001)), rate("kept_below_255ths", ones(0.003)))
      << "nothing between 255ths matters";
  EXPECT_NEAR(rate("kept_below_65535ths", ones(1e-7)), 0x1p-16, 15 * 0x1p-20) << "16 of 2^20 entries";
  EXPECT_GT(rate("kept_below_65535ths", ones(1e-7, DType::f32, 1 << 22)), 10 * 1e-7);
}

TEST(RateMutant, EightBitsByShapeAndDtype) {
  // Below 1/256 eight bits never drop.
  EXPECT_EQ(rate("threshold8_by_shape", ones(0.0039, DType::f16, 1 << 16)), 0.0);
  EXPECT_EQ(rate("threshold8_by_shape", ones(0.0039, DType::bf16, 1 << 16)), 0.0);
  EXPECT_GT(rate("threshold8_by_shape", ones(0.0039, DType::f16, (1 << 16) + 1)), 0.003);
  EXPECT_GT(rate("threshold8_by_shape", ones(0.0039, DType::f32, 1 << 16)), 0.003);
}

TEST(RateMutant, AtMostForBelow) {
  EXPECT_NEAR(rate("kept_at_threshold8", ones(0.5)), 127.0 / 256, 5 * 0.0005);
  EXPECT_LT(rate("kept_at_threshold8", ones(0.5)), rate("none", ones(0.5)));
  EXPECT_EQ(rate("kept_at_threshold8", ones(0.0039)), 0.0) << "floor(256 q) + 1 = 256";
}

TEST(RateMutant, UniformNumbersThatReachOne) {
  // 128 of the 2^32 words become 1, one in 2^25: a seed whose first 4096 draws hold one is soon found.
  std::uint64_t seed = 0;
  std::ptrdiff_t reach_one = 0;
  for (; reach_one == 0 && seed < 100'000; ++seed) {
    const std::uint64_t key = key_of(seed, 0, kForwardUse);
    for (std::uint64_t i = 0; i < 4096; ++i) reach_one += word_of(key, i) >> 39 == 0x1FFFFFF ? 1 : 0;
  }
  OneCall one = ones(0.0, DType::f32, 4096);
  one.problem.seed = seed - 1;
  const auto y = output("uniform_closed_above", one);
  EXPECT_EQ(std::count(y.begin(), y.end(), 0.0), reach_one) << "dropped at p = 0";
  EXPECT_EQ(std::count(y.begin(), y.end(), 1.0), 4096 - reach_one);
  EXPECT_EQ(output("none", one), one.x);
  EXPECT_NEAR(rate("uniform_closed_above", ones(0.3)), 0.3, kNear);
}

TEST(RateMutant, FewBitsOfATinyP) {
  EXPECT_NEAR(rate("uniform16", ones(1e-9, DType::f32, 1 << 22)), 0x1p-16, 0x1p-17);
  EXPECT_EQ(rate("none", ones(1e-9, DType::f32, 1 << 22)), 0.0);
}

TEST(RateMutant, ClaimsOfPhiloxHoldApartFromThresholds) {
  for (const char* id : {"uniform23", "p_as_f32", "threshold_one_above"}) {
    EXPECT_EQ(output(id, ones(0.25)), output("philox", ones(0.25)))
        << id << ": no word of 2^20 is next to the threshold";
    EXPECT_EQ((*open_mutant(id, {}))->capabilities().exact_stream, "dropcheck-philox");
  }
  // At a p that is the word of an element itself, that element is kept; a threshold that is too high drops
  // it.
  int rounded_up = 0;
  for (std::uint64_t i = 0; i < 64; ++i) {
    const double p = std::ldexp(philox4x32(i / 4, 0, 42, kPhiloxRounds)[i % 4], -32);
    const OneCall one = ones(p, DType::f32, 64);
    EXPECT_NE(output("philox", one)[i], 0.0);
    EXPECT_EQ(output("threshold_one_above", one)[i], 0.0);
    EXPECT_EQ(output("uniform23", one)[i] == 0, std::ldexp(p, 23) != std::floor(std::ldexp(p, 23)));
    const bool up = static_cast<double>(static_cast<float>(p)) > p;
    EXPECT_EQ(output("p_as_f32", one)[i] == 0, up);
    rounded_up += up ? 1 : 0;
  }
  EXPECT_GT(rounded_up, 10);
}

TEST(RateMutant, SixteenBitArithmetic) {
  EXPECT_EQ(rate("half_overflow", ones(0.3, DType::f16)), 0.0);
  EXPECT_NEAR(rate("half_overflow", ones(0.3, DType::bf16)), 0.3, kNear);
  EXPECT_EQ(rate("half_divisor", ones(0.001, DType::f16)), 1.0) << "every number is below 2^-16";
  EXPECT_EQ(rate("half_divisor", ones(0.001, DType::bf16)), 1.0);
  EXPECT_NEAR(rate("half_divisor", ones(0.3, DType::f32)), 0.3, kNear);
}

TEST(RateMutant, ComparesWhatItHasRounded) {
  // bf16 has steps of 2^-8 above 1/2: at p = 0.9, 230.4 steps, the threshold is 230 / 256 and all that is
  // rounded to it is kept.
  EXPECT_NEAR(rate("compared_in_dtype", ones(0.9, DType::bf16)), 229.5 / 256, kNear);
  EXPECT_NEAR(rate("none", ones(0.9, DType::bf16)), 0.9, kNear);
  EXPECT_NEAR(rate("compared_in_dtype", ones(0.9, DType::f32)), 0.9, kNear);
  // f16 has steps of 2^-11 there: 1843.2 of them.
  const auto rounded = output("compared_in_f16", ones(0.9)), clean = output("compared_in_dtype", ones(0.9));
  EXPECT_NEAR(drop_rate(clean) - drop_rate(rounded), 0.9 - 1842.5 / 2048, 2.5e-4);
  EXPECT_NEAR(rate("grid_of_2047", ones(0.9)), 1844.0 / 2047, kNear);
  EXPECT_EQ(rate("grid_of_2047", ones(2046.5 / 2048)), 1.0) << "none of the 2047 numbers is left above p";
}

TEST(RateMutant, WrongNumbersForP) {
  const auto y = output("integer_p", ones(0.3));
  EXPECT_EQ(drop_rate(y), 0.0);
  EXPECT_EQ(y[0], 1.0) << "1 - p is 1";
  const auto swapped = output("swapped_with_scale", ones(0.2));
  EXPECT_NEAR(drop_rate(swapped), 0.8, kNear);
  EXPECT_EQ(*std::max_element(swapped.begin(), swapped.end()), 5.0) << "so the mean stays 1";
  EXPECT_EQ(rate("mask_unfilled", ones(0.1, DType::bf16)), 1.0);
  EXPECT_NEAR(rate("mask_unfilled", ones(0.1)), 0.1, kNear);
}

TEST(RateMutant, ThresholdsOfAnotherKind) {
  // oneDNN#2677: p = 0.25 kept 25 %.
  EXPECT_NEAR(rate("signed_compare", ones(0.25)), 0.75, kNear);
  EXPECT_EQ(rate("interval_ignored", ones(0.3)), 0.0);
  EXPECT_NEAR(rate("interval_ignored", ones(0.75)), 0.5, kNear);
  OneCall alpha = ones(0.5);
  alpha.problem.op = Op::alpha_dropout;
  const auto y = output("gaussian_threshold", alpha);
  const auto dropped = static_cast<double>(std::count_if(y.begin(), y.end(), [](double v) { return v < 0; }));
  EXPECT_NEAR(1 - dropped / static_cast<double>(y.size()), 0.3085, kNear) << "1 - Phi(1/2) is kept";
  EXPECT_NEAR(rate("gaussian_threshold", ones(0.5)), 0.5, kNear) << "plain dropout is right";
}

TEST(RateMutant, DrawsAtOne) {
  const double kept = 1 - rate("drawn_at_p1", ones(1.0, DType::bf16));
  EXPECT_NEAR(kept, 0x1p-9, 5e-4) << "half a step below 1";
  EXPECT_EQ(rate("drawn_at_p1", ones(1.0)), 1.0);
}

}  // namespace
}  // namespace dropcheck::mutants
