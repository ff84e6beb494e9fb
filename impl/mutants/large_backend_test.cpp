#include "impl/mutants/large_backend.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cstring>

#include "harness/core/packed_mask.hpp"
#include "impl/mutants/generator.hpp"
#include "impl/mutants/mutants.hpp"
#include "reference/one_call.hpp"

namespace dropcheck::mutants {
namespace {

using reference::OneCall;
using testing::AllOf;
using testing::Gt;
using testing::Lt;

std::vector<std::byte> packed_mask(double p, std::uint64_t entries, Fault fault = Fault::none) {
  std::vector<std::byte> packed(static_cast<std::size_t>((entries + 7) / 8), std::byte{0xA5});
  write_packed_mask(key_of(5, 0, kForwardUse), p, entries, 4, fault, packed);
  return packed;
}

double kept_share(std::span<const std::byte> packed, std::uint64_t entries) {
  std::uint64_t kept = 0;
  for (const std::byte b : packed) kept += static_cast<unsigned>(std::popcount(std::to_integer<unsigned>(b)));
  return static_cast<double>(kept) / static_cast<double>(entries);
}

TEST(WritePackedMask, HasTheRateAndNoBitsPastItsEnd) {
  constexpr std::uint64_t kEntries = (1 << 20) + 3;  // five standard deviations are below 0.0025
  for (const double p : {0x1p-53, 0.001, 0.1, 0.25, 0.5, 0.7, 1 - 0x1p-53}) {
    const auto packed = packed_mask(p, kEntries);
    EXPECT_THAT(kept_share(packed, kEntries), AllOf(Gt(1 - p - 0.0025), Lt(1 - p + 0.0025))) << p;
    EXPECT_FALSE(has_bits_past_end(packed, kEntries)) << p;
  }
}

TEST(WritePackedMask, DropsTheNumbersBelowP) {
  // An entry's number has as its k-th bit, from the most significant on, its bit of the group's word k.
  for (const double p : {0.3, 0.5, 0.9}) {
    const auto packed = packed_mask(p, 640);
    const std::uint64_t key = key_of(5, 0, kForwardUse);
    for (std::uint64_t i = 0; i < 640; ++i) {
      double number = 0, place = 0.5;
      for (std::uint64_t k = 0; k < 53; ++k, place /= 2)
        if ((word_of(key, i / 64 * 64 + k) >> (i % 64) & 1) != 0) number += place;
      EXPECT_EQ((std::to_integer<unsigned>(packed[i / 8]) >> (i % 8) & 1u) == 0, number < p) << i;
    }
  }
}

TEST(LargeBase, SendsTheMaskOfItsOutputOfAConstantAndOfX) {
  for (const Op op : {Op::dropout, Op::alpha_dropout, Op::dropout1d})
    for (const double p : {0.0, 0.3, 1.0}) {
      OneCall one;
      one.problem.op = op;
      one.problem.p = p;
      one.problem.shape = {3, 7, 5};
      one.problem.seed = 11;
      one.x.assign(105, 2.0);
      const auto with_output = *open_mutant("large", {});
      const auto plain = reference::run_one(*with_output, one);
      ASSERT_TRUE(plain.observation.has_value());
      const auto y = plain.values(plain.y, DType::f32);
      Problem bytes;
      bytes.dtype = DType::u8;
      bytes.shape = {packed_bytes(105)};
      for (const bool constant : {false, true}) {
        const auto alone = *open_mutant("large", {});
        GuardedTensor x = reference::make_tensor(*alone, one.problem, false);
        GuardedTensor packed = reference::make_tensor(*alone, bytes, true);
        reference::fill(x, one.x);
        Call call;
        call.op = op;
        call.p = p;
        call.seed = 11;
        call.x = {&x.memory(), x.view()};
        if (constant) {
          call.x.memory = nullptr;
          call.x.view.data = nullptr;
          call.constant_input = 2.0;
        }
        call.packed_mask = {&packed.memory(), packed.view()};
        ASSERT_TRUE(alone->forward(call).has_value());
        const auto sent = reference::dense_bytes(packed);
        const double dropped = p == 1 ? 0 : is_alpha(op) ? *std::min_element(y.begin(), y.end()) : 0;
        if (is_alpha(op) && p != 0.3) continue;  // an output shows no mask there
        for (std::size_t i = 0; i < y.size(); ++i)
          ASSERT_EQ((std::to_integer<unsigned>(sent[i / 8]) >> (i % 8) & 1u) != 0, y[i] != dropped)
              << to_string(op) << " p = " << p << " element " << i;
        EXPECT_FALSE(has_bits_past_end(sent, 105));
      }
    }
}

TEST(LargeFaults, ShowNowhereBelowTheirSizes) {
  const auto clean = packed_mask(0.3, 100003);
  for (const Fault fault :
       {Fault::index_31_bits, Fault::byte_offset_32, Fault::second_half_kept, Fault::tail_unwritten})
    EXPECT_EQ(packed_mask(0.3, 100003, fault), clean);
}

TEST(LargeFaults, ABytesOffsetOfWideElementsWrapsSooner) {
  // With elements of 2^20 bytes an offset of 32 bits begins again after 4096.
  std::vector<std::byte> packed(8192 / 8);
  write_packed_mask(1, 0.3, 8192, std::size_t{1} << 20, Fault::byte_offset_32, packed);
  EXPECT_EQ(std::memcmp(packed.data(), packed.data() + 512, 512), 0);
  write_packed_mask(1, 0.3, 8192, std::size_t{1} << 20, Fault::none, packed);
  EXPECT_NE(std::memcmp(packed.data(), packed.data() + 512, 512), 0);
}

}  // namespace
}  // namespace dropcheck::mutants
