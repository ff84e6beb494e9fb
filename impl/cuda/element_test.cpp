// Elements and laws on the host against Eigen's types, the definition and the reference's forms of rounding.

#include "impl/cuda/element.hpp"

#include <gtest/gtest.h>

#include <Eigen/Core>
#include <cmath>
#include <limits>

#include "impl/cuda/chunk.hpp"
#include "impl/cuda/stream_setup.hpp"
#include "reference/definition.hpp"
#include "reference/scale_forms.hpp"

namespace dropcheck::cuda {
namespace {

using CoreDType = ::dropcheck::DType;

TEST(Elements, EveryHalfAndBFloat16Widens) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto narrow_bits = static_cast<std::uint16_t>(bits);
    const float half = widen(Half{narrow_bits}), brain = widen(BFloat16{narrow_bits});
    const auto expected_half = static_cast<float>(Eigen::numext::bit_cast<Eigen::half>(narrow_bits));
    const auto expected_brain = static_cast<float>(Eigen::numext::bit_cast<Eigen::bfloat16>(narrow_bits));
    if (std::isnan(expected_half)) EXPECT_TRUE(std::isnan(half)) << bits;
    else ASSERT_EQ(bits_as<std::uint32_t>(half), bits_as<std::uint32_t>(expected_half)) << bits;
    if (std::isnan(expected_brain)) EXPECT_TRUE(std::isnan(brain)) << bits;
    else ASSERT_EQ(bits_as<std::uint32_t>(brain), bits_as<std::uint32_t>(expected_brain)) << bits;
  }
}

TEST(Elements, NarrowingRoundsToTheNearestAndTiesToEven) {
  // Every 4093rd f32, and every number and border between two numbers of the narrow types.
  const auto check = [](std::uint32_t bits) {
    const auto value = bits_as<float>(bits);
    const auto half = Eigen::half(value);
    const auto brain = Eigen::bfloat16(value);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(widen(Half{half_bits(value)}))) << bits;
      EXPECT_TRUE(std::isnan(widen(BFloat16{bfloat16_bits(value)}))) << bits;
      return;
    }
    ASSERT_EQ(half_bits(value), Eigen::numext::bit_cast<std::uint16_t>(half)) << value;
    ASSERT_EQ(bfloat16_bits(value), Eigen::numext::bit_cast<std::uint16_t>(brain)) << value;
  };
  for (std::uint64_t bits = 0; bits < (std::uint64_t{1} << 32); bits += 4093)
    check(static_cast<std::uint32_t>(bits));
  for (std::uint32_t top = 0; top < 0x80000; ++top)
    for (const std::uint32_t low : {0u, 1u, 0xfffu, 0x1000u, 0x1001u, 0x1fffu}) check(top << 13 | low);
}

TEST(Elements, ChunksKeepEveryElement) {
  const std::uint16_t halves[8] = {1, 0x8000, 0x3c00, 0xffff, 5, 6, 0x7c00, 0xfc01};
  alignas(16) unsigned char memory[16];
  std::memcpy(memory, halves, 16);
  Chunk in = load_chunk(memory), out{};
  for (unsigned i = 0; i < 8; ++i) {
    Half x{};
    get(in, i, x);
    EXPECT_EQ(x.bits, halves[i]);
    put(out, i, x);
  }
  alignas(16) unsigned char back[16];
  store_chunk(back, out);
  EXPECT_EQ(std::memcmp(back, memory, 16), 0);
  const double doubles[2] = {-0.0, 0x1.123456789abcdp-100};
  std::memcpy(memory, doubles, 16);
  in = load_chunk(memory);
  out = {};
  for (unsigned i = 0; i < 2; ++i) {
    double x = 0;
    get(in, i, x);
    EXPECT_EQ(bits_as<std::uint64_t>(x), bits_as<std::uint64_t>(doubles[i]));
    put(out, i, x);
  }
  store_chunk(back, out);
  EXPECT_EQ(std::memcmp(back, memory, 16), 0);
}

template <typename T>
T element(double x) {
  return narrow<T>(static_cast<Real<T>>(x));
}

template <typename T>
void laws_follow_the_definition(DType dtype, CoreDType core) {
  for (const bool alpha : {false, true})
    for (const double p : {0.01, 0.1, 0.15, 0.3, 0.5, 0.71, 0.99}) {
      const reference::Definition definition(alpha ? Op::alpha_dropout : Op::dropout, p, core);
      const Law law = forward_law(alpha, p, dtype), back = backward_law(alpha, p, dtype);
      ASSERT_EQ(law.form, alpha ? Form::shifted : Form::plain);
      ASSERT_EQ(back.form, Form::plain);
      const RealLaw<T, Form::shifted> shifted(law);
      const RealLaw<T, Form::plain> plain(law), backward(back);
      const auto forward = [&](T x, bool keep) { return alpha ? shifted(x, keep) : plain(x, keep); };
      for (int i = 0; i < 300; ++i) {
        const T x = element<T>(i == 0 ? -0.0 : std::sin(i) * 16.0);
        const auto wide = static_cast<double>(widen(x));
        const auto value = [](T y) { return static_cast<double>(widen(y)); };
        const auto bits = [](double y) { return bits_as<std::uint64_t>(y); };
        ASSERT_EQ(bits(value(forward(x, true))), bits(definition.kept(wide))) << p << " " << wide;
        ASSERT_EQ(bits(value(forward(x, false))), bits(definition.dropped(wide))) << p << " " << wide;
        ASSERT_EQ(bits(value(backward(x, true))), bits(definition.kept_gradient(wide))) << p << " " << wide;
        ASSERT_EQ(bits(value(backward(x, false))), bits(definition.dropped_gradient(wide)))
            << p << " " << wide;
      }
    }
}

TEST(Laws, FollowTheDefinitionToTheBit) {
  laws_follow_the_definition<double>(DType::f64, CoreDType::f64);
  laws_follow_the_definition<float>(DType::f32, CoreDType::f32);
  laws_follow_the_definition<Half>(DType::f16, CoreDType::f16);
  laws_follow_the_definition<BFloat16>(DType::bf16, CoreDType::bf16);
}

TEST(Laws, FusedLawsAreThoseOfPyTorchsKernel) {
  using reference::ScaleForm;
  for (const double p : {0.04, 0.1, 0.3, 0.42})
    for (int i = 1; i < 300; ++i) {
      const Half x = element<Half>(std::sin(i) * 16.0);
      const auto wide = static_cast<double>(widen(x));
      const RealLaw<Half, Form::plain> forward(fused_forward_law(p, DType::f16)),
          backward(fused_backward_law(p));
      EXPECT_EQ(static_cast<double>(widen(forward(x, true))),
                reference::kept_value(ScaleForm::wide_reciprocal_A, wide, p, CoreDType::f16));
      EXPECT_EQ(static_cast<double>(widen(backward(x, true))),
                reference::kept_gradient(ScaleForm::wide_reciprocal_B, wide, p, CoreDType::f16));
    }
}

TEST(Laws, ZeroKeepsSignsAndNaNsAndACopyKeepsBits) {
  ASSERT_EQ(copy_law().form, Form::copy);
  const RealLaw<float, Form::plain> zero{zero_law()};
  const RealLaw<float, Form::copy> copy{copy_law()};
  EXPECT_TRUE(std::signbit(zero(-3.0f, false)));
  EXPECT_EQ(zero(-3.0f, false), 0.0f);
  EXPECT_TRUE(std::isnan(zero(std::numeric_limits<float>::infinity(), false)));
  const auto odd = bits_as<float>(0x7fc12345u);
  EXPECT_EQ(bits_as<std::uint32_t>(copy(odd, true)), 0x7fc12345u);
  const RealLaw<Half, Form::copy> half_copy{copy_law()};
  EXPECT_EQ(half_copy(Half{0x7d01}, true).bits, 0x7d01);
}

}  // namespace
}  // namespace dropcheck::cuda
