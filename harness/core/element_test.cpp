#include "harness/core/element.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "harness/testing/rc_gtest.hpp"

namespace dropcheck {
namespace {

double value_of(std::uint64_t bits, DType dtype) {
  std::array<std::byte, 8> bytes{};
  std::memcpy(bytes.data(), &bits, sizeof bits);
  return load_element(bytes.data(), dtype);
}

std::uint64_t stored(double value, DType dtype) {
  std::array<std::byte, 8> bytes{};
  store_element(value, bytes.data(), dtype);
  return element_bits(bytes.data(), dtype);
}

/// Value of a half type from its fields, without any library.
double by_definition(std::uint32_t bits, int exponent_bits, int fraction_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const auto fraction = static_cast<double>(bits & ((1u << fraction_bits) - 1));
  const int exponent = static_cast<int>((bits >> fraction_bits) & ((1u << exponent_bits) - 1));
  const double sign = (bits >> 15) != 0 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1)
    return fraction != 0 ? std::nan("") : sign * std::numeric_limits<double>::infinity();
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - fraction_bits);
  return sign * std::ldexp(1 + std::ldexp(fraction, -fraction_bits), exponent - bias);
}

void expect_every_pattern_round_trips(DType dtype, int exponent_bits, int fraction_bits) {
  std::size_t nans = 0;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const double value = value_of(bits, dtype), defined = by_definition(bits, exponent_bits, fraction_bits);
    if (std::isnan(defined)) {
      ++nans;
      ASSERT_TRUE(std::isnan(value)) << bits;
      ASSERT_TRUE(std::isnan(value_of(stored(value, dtype), dtype))) << bits;
      continue;
    }
    ASSERT_EQ(value, defined) << bits;
    ASSERT_EQ(stored(value, dtype), bits);
  }
  EXPECT_EQ(nans, 2 * ((std::size_t{1} << fraction_bits) - 1));
}

TEST(Element, EveryF16PatternRoundTrips) { expect_every_pattern_round_trips(DType::f16, 5, 10); }

TEST(Element, EveryBf16PatternRoundTrips) { expect_every_pattern_round_trips(DType::bf16, 8, 7); }

/// Between two neighbours a double goes to the nearer one, and from the middle to the even one.
void expect_one_rounding(DType dtype, std::uint32_t largest) {
  for (std::uint32_t low = 0; low < largest; ++low) {
    const double a = value_of(low, dtype), b = value_of(low + 1, dtype);
    const double middle = a + (b - a) / 2;  // exact: a double has bits to spare
    const std::uint64_t even = (low & 1u) == 0 ? low : low + 1;
    ASSERT_EQ(stored(middle, dtype), even) << low;
    ASSERT_EQ(stored(std::nextafter(middle, b), dtype), low + 1) << low;
    ASSERT_EQ(stored(std::nextafter(middle, a), dtype), low) << low;
    ASSERT_EQ(stored(-middle, dtype), even | 0x8000u) << low;
    ASSERT_EQ(stored(std::nextafter(-middle, -b), dtype), (low + 1) | 0x8000u) << low;
    ASSERT_EQ(stored(std::nextafter(-middle, -a), dtype), low | 0x8000u) << low;
  }
}

TEST(Element, RoundsOnceToF16BetweenAllNeighbours) { expect_one_rounding(DType::f16, 0x7bff); }

TEST(Element, RoundsOnceToBf16BetweenAllNeighbours) { expect_one_rounding(DType::bf16, 0x7f7f); }

TEST(Element, IsNotCaughtByDoubleRounding) {
  // Half way between 1 and the next bf16, and a little more than a float can show.
  const double trap = 1 + 0x1p-8 + 0x1p-40;
  ASSERT_EQ(static_cast<float>(trap), 1.00390625f) << "a float rounding turns it into a tie";
  EXPECT_EQ(round_to(trap, DType::bf16), 1.0078125);
  EXPECT_EQ(round_to(1 + 0x1p-8, DType::bf16), 1.0);
  EXPECT_EQ(round_to(1 + 0x1p-11 + 0x1p-40, DType::f16), 1 + 0x1p-10);
  EXPECT_EQ(round_to(1 + 0x1p-11, DType::f16), 1.0);
  EXPECT_EQ(round_to(1 + 3 * 0x1p-11 - 0x1p-40, DType::f16), 1 + 0x1p-10);
}

TEST(Element, OverflowsToInfinityFromTheMiddleOfTheLastStep) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(round_to(65504, DType::f16), 65504);
  EXPECT_EQ(round_to(std::nextafter(65520.0, 0.0), DType::f16), 65504);
  EXPECT_EQ(round_to(65520, DType::f16), kInfinity);
  const double last = 0x1.fep127, step = 0x1p120;
  EXPECT_EQ(round_to(std::nextafter(last + step / 2, 0.0), DType::bf16), last);
  EXPECT_EQ(round_to(last + step / 2, DType::bf16), kInfinity);
  EXPECT_EQ(round_to(1e300, DType::bf16), kInfinity);
  EXPECT_EQ(round_to(-1e300, DType::f16), -kInfinity);
  EXPECT_EQ(round_to(-kInfinity, DType::bf16), -kInfinity);
}

TEST(RoundToOdd, IsTheOddNeighbourOfEveryInexactDouble) {
  DROPCHECK_PROPERTY([] {
    const auto bits = *rc::gen::arbitrary<std::uint64_t>();
    // Spread over all exponents of a float, its subnormals and a little beyond.
    const double value =
        std::ldexp(1.0 + std::ldexp(static_cast<double>(bits >> 12), -52), *rc::gen::inRange(-155, 130)) *
        ((bits & 1u) != 0 ? -1 : 1);
    const float odd = round_to_odd(value);
    RC_ASSERT(std::signbit(odd) == std::signbit(value));
    if (static_cast<double>(odd) == value) return;
    RC_ASSERT((std::bit_cast<std::uint32_t>(odd) & 1u) == 1u);
    // No float lies between the value and its odd neighbour.
    const float other = std::nextafter(
        odd, value > odd ? std::numeric_limits<float>::infinity() : -std::numeric_limits<float>::infinity());
    RC_ASSERT((static_cast<double>(odd) < value) == (value < static_cast<double>(other)));
  });
}

TEST(RoundToOdd, LeavesFloatsAlone) {
  for (const float value : {0.0f, -0.0f, 1.0f, -1.5f, 0x1p-149f, std::numeric_limits<float>::max(),
                            std::numeric_limits<float>::infinity()})
    EXPECT_EQ(std::bit_cast<std::uint32_t>(round_to_odd(value)), std::bit_cast<std::uint32_t>(value))
        << value;
  EXPECT_TRUE(std::isnan(round_to_odd(std::nan(""))));
}

TEST(Element, KeepsDoublesAndFloatsAsTheyAre) {
  EXPECT_EQ(round_to(0.1, DType::f64), 0.1);
  EXPECT_EQ(round_to(0.1, DType::f32), static_cast<double>(0.1f));
  EXPECT_EQ(stored(-0.0, DType::f64), std::uint64_t{1} << 63);
  EXPECT_EQ(stored(-0.0, DType::f32), std::uint64_t{1} << 31);
  EXPECT_EQ(stored(-0.0, DType::f16), 0x8000u);
  EXPECT_EQ(stored(-0.0, DType::bf16), 0x8000u);
}

}  // namespace
}  // namespace dropcheck
