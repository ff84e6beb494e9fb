#include "tools/adapter_answers.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>

#include "harness/core/element.hpp"

namespace dropcheck::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

Bytes floats(const std::vector<float>& values) {
  Bytes bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

Bytes reversed(Bytes bytes, std::size_t size) {
  for (std::size_t i = 0; i < bytes.size(); i += size)
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(i),
                 bytes.begin() + static_cast<std::ptrdiff_t>(i + size));
  return bytes;
}

Bytes mask(const std::vector<int>& entries) {
  Bytes bytes;
  for (const int entry : entries) bytes.push_back(static_cast<std::byte>(entry));
  return bytes;
}

class FloatTypes : public ::testing::TestWithParam<DType> {};

TEST_P(FloatTypes, ValuesDifferFromTheirNeighboursAndDoubleExactly) {
  const DType dtype = GetParam();
  const std::size_t size = size_of(dtype);
  const Bytes x = test_values(dtype, 1000), twice = doubled(x, dtype);
  for (std::size_t i = 0; i < 1000; ++i) {
    const double v = load_element(x.data() + i * size, dtype),
                 w = load_element(twice.data() + i * size, dtype);
    EXPECT_TRUE(std::abs(v) > 1 && std::abs(v) < 2) << v;
    EXPECT_EQ(w, 2 * v);
    const std::size_t neighbour = i > 0 ? i - 1 : 1;
    EXPECT_NE(v, load_element(x.data() + neighbour * size, dtype));
  }
}

TEST_P(FloatTypes, EchoesAreToldApart) {
  const DType dtype = GetParam();
  const std::size_t size = size_of(dtype);
  const Shape shape = {3, 4};
  const Bytes x = test_values(dtype, 12);
  EXPECT_EQ(look_at_echo(x, x, dtype, shape).echo, Echo::same);
  EXPECT_EQ(look_at_echo(x, reversed(x, size), dtype, shape).echo, Echo::swapped);
  Bytes columns(x.size()), rows(x.size());
  for (std::size_t r = 0; r < 3; ++r)
    for (std::size_t c = 0; c < 4; ++c) {
      std::memcpy(columns.data() + (c * 3 + r) * size, x.data() + (r * 4 + c) * size, size);
      std::memcpy(rows.data() + (r * 4 + c) * size, x.data() + (c * 3 + r) * size, size);
    }
  EXPECT_EQ(look_at_echo(x, columns, dtype, shape).echo, Echo::reordered) << "written so";
  EXPECT_EQ(look_at_echo(x, rows, dtype, shape).echo, Echo::reordered) << "read so";
  Bytes shifted = x;
  std::rotate(shifted.begin(), shifted.begin() + static_cast<std::ptrdiff_t>(size), shifted.end());
  const EchoLook other = look_at_echo(x, shifted, dtype, shape);
  EXPECT_EQ(other.echo, Echo::other);
  EXPECT_THAT(other.text, HasSubstr("12 of 12 elements differ; the first is element 0"));
}

TEST_P(FloatTypes, DropsAreToldApart) {
  const DType dtype = GetParam();
  const std::size_t size = size_of(dtype);
  const Bytes x = test_values(dtype, 64);
  Bytes y = doubled(x, dtype);
  for (std::size_t i = 0; i < 64; i += 3) store_element(i % 2 == 0 ? 0.0 : -0.0, y.data() + i * size, dtype);
  const DropLook right = look_at_drop(x, y, dtype);
  EXPECT_EQ(right.drop, Drop::scaled);
  EXPECT_EQ(right.dropped, 22u);
  EXPECT_EQ(look_at_drop(x, x, dtype).drop, Drop::unscaled);
  // The same done to the reversed bytes, as a machine of the other kind would.
  const Bytes big = reversed(x, size);
  EXPECT_EQ(look_at_drop(x, reversed(doubled(big, dtype), size), dtype).drop, Drop::swapped);
  Bytes bad = y;
  store_element(17.0, bad.data() + size, dtype);
  const DropLook other = look_at_drop(x, bad, dtype);
  EXPECT_EQ(other.drop, Drop::other);
  EXPECT_THAT(other.text, HasSubstr("element 1 is 17 where 0 or"));
}

INSTANTIATE_TEST_SUITE_P(All, FloatTypes, ::testing::ValuesIn(kFloatDTypes),
                         [](const auto& row) { return std::string(to_string(row.param)); });

TEST(Drops, OfOneHalfTypeTakenForTheOtherAreNamed) {
  const Bytes x = test_values(DType::bf16, 64);
  EXPECT_THAT(look_at_drop(x, doubled(x, DType::f16), DType::bf16).text,
              HasSubstr("taken for f16, and they are bf16"));
}

TEST(Drops, WithAnotherScaleAreToldIt) {
  const Bytes x = floats({1, -2, 3, -4});
  EXPECT_THAT(look_at_drop(x, floats({1.5f, 0, 4.5f, -6}), DType::f32).text,
              HasSubstr("multiplied by 1.5, not by 2"));
}

TEST(Drops, OfNaNsAreNotRight) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const DropLook look = look_at_drop(floats({1, 2}), floats({nan, nan}), DType::f32);
  EXPECT_EQ(look.drop, Drop::other);
  EXPECT_THAT(look.text, HasSubstr("element 0 is nan"));
}

TEST(Echoes, SayWhatWasDone) {
  const Bytes x = test_values(DType::f32, 4);
  const auto text = [&](const Bytes& y) { return look_at_echo(x, y, DType::f32, {4}).text; };
  EXPECT_EQ(text(doubled(x, DType::f32)), "every element is multiplied by 2");
  EXPECT_EQ(text(floats({0, 0, 0, 0})), "every element is 0");
  Bytes dropped = x;
  std::fill_n(dropped.begin(), 4, std::byte{0});
  EXPECT_EQ(text(dropped), "1 of 4 elements are 0, the others are multiplied by 1");
  Bytes rounded(x.size());
  for (std::size_t i = 0; i < 4; ++i)
    store_element(round_to(load_element(x.data() + 4 * i, DType::f32), DType::bf16), rounded.data() + 4 * i,
                  DType::f32);
  EXPECT_EQ(text(rounded), "every element is rounded to bf16");
}

TEST(Echoes, InAnotherDTypeAreNamed) {
  const Bytes x = test_values(DType::f32, 6);
  Bytes wide(48);
  for (std::size_t i = 0; i < 6; ++i)
    store_element(load_element(x.data() + 4 * i, DType::f32), wide.data() + 8 * i, DType::f64);
  EXPECT_EQ(dtype_of_echo(x, wide, DType::f32), "f64");
  EXPECT_THAT(dtype_of_echo(x, x, DType::f32), IsEmpty());
  EXPECT_THAT(dtype_of_echo(x, Bytes(48), DType::f32), IsEmpty());
}

TEST(Echoes, WithoutElementsAreTheSame) {
  EXPECT_EQ(look_at_echo({}, {}, DType::f32, {3, 0, 2}).echo, Echo::same);
}

TEST(Masks, FaultsAreNamed) {
  const Bytes kept = mask({1, 0, 0, 1, 1, 0});
  const Shape shape = {2, 3};
  EXPECT_THAT(mask_fault(kept, kept, shape), IsEmpty());
  EXPECT_THAT(mask_fault(kept, mask({0, 1, 1, 0, 0, 1}), shape), HasSubstr("inverted"));
  EXPECT_THAT(mask_fault(kept, mask({255, 0, 0, 255, 255, 0}), shape), HasSubstr("the byte 255"));
  EXPECT_THAT(mask_fault(kept, mask({1, 1, 0, 1, 0, 0}), shape), HasSubstr("column-major"));
  EXPECT_THAT(mask_fault(kept, mask({1, 1, 1, 1, 1, 1}), shape),
              HasSubstr("3 of 6 mask entries contradict y"));
}

TEST(PackedMasks, FaultsAreNamed) {
  const Bytes kept = mask({1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0});  // 0b00011001, 0b011
  EXPECT_THAT(packed_fault(kept, mask({0x19, 0x03})), IsEmpty());
  EXPECT_THAT(packed_fault(kept, mask({0x98, 0xc0})), HasSubstr("most significant first"));
  EXPECT_THAT(packed_fault(kept, mask({0xe6, 0x04})), HasSubstr("inverted"));
  EXPECT_THAT(packed_fault(kept, mask({0x67, 0x3f})),
              HasSubstr("inverted, 1 stands for dropped, and the bits"));
  EXPECT_THAT(packed_fault(kept, mask({0x18, 0x03})), HasSubstr("1 of 11 bits contradict y"));
}

TEST(PackedMasks, PaddingIsLookedAt) {
  EXPECT_TRUE(padding_is_zero(11, mask({0xff, 0x07})));
  EXPECT_FALSE(padding_is_zero(11, mask({0xff, 0x0f})));
  EXPECT_TRUE(padding_is_zero(16, mask({0xff, 0xff})));
  EXPECT_TRUE(padding_is_zero(0, {}));
}

}  // namespace
}  // namespace dropcheck::tools
