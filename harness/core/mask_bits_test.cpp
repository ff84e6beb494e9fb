#include "harness/core/mask_bits.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "harness/core/element.hpp"
#include "harness/core/sample.hpp"
#include "harness/testing/generators.hpp"
#include "harness/testing/rc_gtest.hpp"

namespace dropcheck {
namespace {

/// An output tensor that holds these numbers in logical order.
struct Output {
  std::vector<std::byte> memory;
  TensorView view;

  Output(const std::vector<double>& values, const Problem& x) {
    const TensorGeometry g = geometry_of(x, true);
    const std::size_t size = size_of(x.dtype);
    memory.assign(static_cast<std::size_t>(g.span) * size, std::byte{0});  // gaps look like dropped elements
    view = {memory.data(), x.dtype, x.shape, g.strides};
    std::vector<std::byte> dense(values.size() * size);
    for (std::size_t i = 0; i < values.size(); ++i)
      store_element(values[i], dense.data() + i * size, x.dtype);
    scatter(dense.data(), view);
  }
};

Problem vector_of(std::size_t n, DType dtype) {
  Problem x;
  x.shape = {static_cast<std::int64_t>(n)};
  x.dtype = dtype;
  return x;
}

/// A fixed sequence of what an output may hold, both zeros among it.
std::vector<double> some_values(std::size_t n, std::uint64_t seed) {
  constexpr double kValues[] = {0.0, -0.0, 1.5, -2.25, 0x1p-24, -0x1p-24, 64, -1};
  std::vector<double> values;
  for (std::size_t i = 0; i < n; ++i) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    values.push_back(kValues[seed >> 61]);
  }
  return values;
}

bool is_dropped(Op op, double value) { return is_alpha(op) ? value < 0 : value == 0; }

TEST(MaskBits, OfEveryLengthEqualTheNaiveReading) {
  for (const DType dtype : kFloatDTypes) {
    for (const Op op : {Op::dropout, Op::alpha_dropout}) {
      for (std::size_t n = 0; n <= 200; ++n) {
        const std::vector<double> values = some_values(n, n + 1);
        const MaskBits bits = drop_bits_of_output(op, Output(values, vector_of(n, dtype)).view);
        ASSERT_EQ(bits.size(), n);
        ASSERT_EQ(bits.words().size(), (n + 63) / 64);
        ASSERT_EQ(bits.tail_length(), n == 0 ? 0 : (n % 64 == 0 ? 64 : n % 64));
        std::uint64_t dropped = 0;
        for (std::size_t i = 0; i < n; ++i) {
          ASSERT_EQ(bits[i], is_dropped(op, values[i])) << to_string(dtype) << " " << n << " " << i;
          dropped += bits[i] ? 1u : 0u;
        }
        ASSERT_EQ(bits.count(), dropped) << "bits past the end must be 0";
      }
    }
  }
}

TEST(MaskBits, AreReadInLogicalOrderFromEveryLayout) {
  DROPCHECK_PROPERTY([] {
    Capabilities all;
    all.ops.assign(kAllOps.begin(), kAllOps.end());
    all.dtypes.assign(kFloatDTypes.begin(), kFloatDTypes.end());
    all.layouts.assign(kAllLayouts.begin(), kAllLayouts.end());
    const Problem x = *testing::claimed_problems(all);
    const auto values = some_values(static_cast<std::size_t>(element_count(x.shape)), 7);
    const MaskBits bits = drop_bits_of_output(x.op, Output(values, x).view);
    RC_ASSERT(bits.size() == values.size());
    for (std::size_t i = 0; i < values.size(); ++i) RC_ASSERT(bits[i] == is_dropped(x.op, values[i]));
  });
}

TEST(MaskBits, InMemoryOrderFollowTheAddresses) {
  for (const Layout layout : kAllLayouts) {
    Problem x;
    x.shape = {3, 4, 5, 2};
    x.layout = layout;
    const TensorGeometry g = geometry_of(x, true);
    std::vector<float> memory(static_cast<std::size_t>(g.first + g.span), 9.0f);
    const TensorView view{std::as_writable_bytes(std::span(memory)).data() + g.first * 4, DType::f32, x.shape,
                          g.strides};
    std::vector<float> values(120);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = i % 7 == 2 || i % 11 == 3 ? 0.0f : 1.0f;
    scatter(std::as_bytes(std::span(values)).data(), view);
    std::vector<bool> by_address;  // 9 marks what is no element
    for (const float value : memory)
      if (value != 9.0f) by_address.push_back(value == 0.0f);
    const MaskBits bits = drop_bits_in_memory_order(Op::dropout, view);
    ASSERT_EQ(bits.size(), by_address.size()) << to_string(layout);
    for (std::size_t i = 0; i < by_address.size(); ++i)
      EXPECT_EQ(bits[i], by_address[i]) << to_string(layout);
    x.p = 0.3;
    EXPECT_EQ(has_memory_order(x), bits != drop_bits_of_output(Op::dropout, view)) << to_string(layout);
  }
}

TEST(MaskBits, InMemoryOrderAreSortedByAddress) {
  DROPCHECK_PROPERTY([] {
    Capabilities all;
    all.ops.assign(kAllOps.begin(), kAllOps.end());
    all.dtypes.assign(kFloatDTypes.begin(), kFloatDTypes.end());
    all.layouts.assign(kAllLayouts.begin(), kAllLayouts.end());
    const Problem x = *testing::claimed_problems(all);
    const auto n = static_cast<std::size_t>(element_count(x.shape));
    const auto values = some_values(n, 11);
    // Elements by address: index in logical order -> offset -> rank.
    const TensorGeometry g = geometry_of(x, true);
    std::vector<std::pair<std::int64_t, bool>> by_address;
    for (std::size_t i = 0; i < n; ++i) {
      std::int64_t offset = 0, rest = static_cast<std::int64_t>(i);
      for (std::size_t d = x.shape.size(); d-- > 0; rest /= x.shape[d])
        offset += rest % x.shape[d] * g.strides[d];
      by_address.emplace_back(offset, is_dropped(x.op, values[i]));
    }
    std::sort(by_address.begin(), by_address.end());
    const MaskBits bits = drop_bits_in_memory_order(x.op, Output(values, x).view);
    RC_ASSERT(bits.size() == n);
    for (std::size_t i = 0; i < n; ++i) RC_ASSERT(bits[i] == by_address[i].second);
  });
}

TEST(MaskBits, AreReadFromRowsLongerThanAWord) {
  for (const Layout layout : kAllLayouts) {
    Problem x;
    x.layout = layout;
    x.shape = layout == Layout::channels_last_3d ? std::vector<std::int64_t>{2, 67, 3, 5, 9}
                                                 : std::vector<std::int64_t>{2, 65, 13, 130};
    const auto n = static_cast<std::size_t>(element_count(x.shape));
    const auto values = some_values(n, 5);
    const MaskBits bits = drop_bits_of_output(x.op, Output(values, x).view);
    for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(bits[i], values[i] == 0) << to_string(layout) << " " << i;
  }
}

TEST(HasMemoryOrder, WhereAddressesFollowAnotherOrderThanIndices) {
  const auto has = [](Layout layout, std::vector<std::int64_t> shape, Op op = Op::dropout,
                      DType dtype = DType::f32) {
    Problem x;
    x.op = op;
    x.dtype = dtype;
    x.layout = layout;
    x.shape = std::move(shape);
    return has_memory_order(x);
  };
  EXPECT_TRUE(has(Layout::channels_last, {2, 3, 4, 5}));
  EXPECT_TRUE(has(Layout::channels_last_3d, {2, 3, 4, 5, 6}));
  EXPECT_TRUE(has(Layout::transposed, {4, 5}));
  EXPECT_TRUE(has(Layout::channels_last, {1, 3, 1, 5}));
  EXPECT_FALSE(has(Layout::channels_last, {2, 1, 4, 5}));  // one channel
  EXPECT_FALSE(has(Layout::channels_last, {2, 3, 1, 1}));  // one pixel
  EXPECT_FALSE(has(Layout::channels_last, {2, 3, 0, 5}));
  EXPECT_FALSE(has(Layout::transposed, {4, 1}));
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::shifted, Layout::expanded})
    EXPECT_FALSE(has(layout, {2, 3, 4, 5})) << to_string(layout);
  EXPECT_FALSE(has(Layout::channels_last, {2, 3, 4, 5}, Op::dropout2d));
  EXPECT_TRUE(has(Layout::channels_last, {2, 3, 4, 5}, Op::alpha_dropout));
  EXPECT_FALSE(has(Layout::channels_last, {2, 3, 4, 5}, Op::dropout, DType::i32));
}

TEST(MaskBits, CountBothZerosAsDropped) {
  for (const DType dtype : kFloatDTypes) {
    const MaskBits bits =
        drop_bits_of_output(Op::dropout, Output({0.0, -0.0, 1, -1}, vector_of(4, dtype)).view);
    EXPECT_EQ(bits.words()[0], 0b0011u) << to_string(dtype);
  }
}

TEST(MaskBits, CountSubnormalsAsKept) {
  for (const auto& [dtype, tiny] : {std::pair{DType::f64, 0x1p-1074},
                                    {DType::f32, 0x1p-149},
                                    {DType::f16, 0x1p-24},
                                    {DType::bf16, 0x1p-133}}) {
    const Output output({tiny, -tiny, 0}, vector_of(3, dtype));
    EXPECT_EQ(drop_bits_of_output(Op::dropout, output.view).words()[0], 0b100u) << to_string(dtype);
  }
}

TEST(MaskBits, OfTheAlphaOperatorsFollowTheSign) {
  for (const Op op : {Op::alpha_dropout, Op::feature_alpha_dropout}) {
    for (const DType dtype : kFloatDTypes) {
      const Output output({-0.78, 0.9, 0.0, -0.0, -100, 100}, vector_of(6, dtype));
      EXPECT_EQ(drop_bits_of_output(op, output.view).words()[0], 0b010001u) << to_string(dtype);
    }
  }
}

TEST(MaskBits, TakeANanAsKept) {
  const Output output({std::nan(""), 0}, vector_of(2, DType::f32));
  EXPECT_EQ(drop_bits_of_output(Op::dropout, output.view).words()[0], 0b10u);
}

TEST(MaskBits, SetAndReadSingleBits) {
  MaskBits bits(130);
  for (const std::uint64_t i : {0u, 63u, 64u, 129u}) bits.set(i);
  for (std::uint64_t i = 0; i < 130; ++i) EXPECT_EQ(bits[i], i == 0 || i == 63 || i == 64 || i == 129) << i;
  EXPECT_EQ(bits.count(), 4u);
  EXPECT_EQ(bits.tail_length(), 2u);
}

TEST(HammingDistance, CountsPositionsThatDiffer) {
  MaskBits a(200), b(200);
  EXPECT_EQ(hamming_distance(a, b), 0u);
  for (std::uint64_t i = 0; i < 200; i += 3) a.set(i);
  for (std::uint64_t i = 0; i < 200; i += 5) b.set(i);
  std::uint64_t differ = 0;
  for (std::uint64_t i = 0; i < 200; ++i) differ += a[i] != b[i] ? 1u : 0u;
  EXPECT_EQ(hamming_distance(a, b), differ);
  EXPECT_EQ(hamming_distance(b, a), differ);
  EXPECT_EQ(hamming_distance(a, a), 0u);
  EXPECT_EQ(hamming_distance(MaskBits(0), MaskBits(0)), 0u);
}

TEST(HammingDistanceDeathTest, RefusesMasksOfUnequalSizes) {
  EXPECT_DEATH(static_cast<void>(hamming_distance(MaskBits(3), MaskBits(4))), "internal error");
}

TEST(ChannelBits, EqualTheNaiveReadingForEveryInnerSize) {
  for (const std::int64_t inner : {1, 2, 3, 4, 7, 8, 16, 31, 32, 63, 64, 65, 128, 130}) {
    const std::int64_t shape[] = {3, 5, inner};
    MaskBits elements(static_cast<std::uint64_t>(15 * inner));
    std::uint64_t state = 99;
    for (std::int64_t c = 0; c < 15; ++c) {
      for (std::int64_t i = 0; i < inner; ++i) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const bool dropped = c % 3 == 0 || (c % 3 == 1 && (state >> 63) != 0);
        if (dropped) elements.set(static_cast<std::uint64_t>(c * inner + i));
      }
    }
    const ChannelBits channels = channel_bits(elements, shape);
    ASSERT_EQ(channels.bits.size(), 15u);
    std::uint64_t mixed = 0;
    for (std::int64_t c = 0; c < 15; ++c) {
      std::int64_t dropped = 0;
      for (std::int64_t i = 0; i < inner; ++i) dropped += elements[static_cast<std::uint64_t>(c * inner + i)];
      EXPECT_EQ(channels.bits[static_cast<std::uint64_t>(c)], elements[static_cast<std::uint64_t>(c * inner)])
          << inner << " " << c;
      mixed += dropped != 0 && dropped != inner ? 1u : 0u;
    }
    EXPECT_EQ(channels.mixed_channels, mixed) << inner;
  }
}

TEST(ChannelBits, SeeASingleElementThatStandsOut) {
  const std::int64_t shape[] = {1, 2, 100};
  MaskBits elements(200);
  EXPECT_EQ(channel_bits(elements, shape).mixed_channels, 0u);
  elements.set(199);
  const ChannelBits last = channel_bits(elements, shape);
  EXPECT_EQ(last.mixed_channels, 1u);
  EXPECT_EQ(last.bits.count(), 0u);
}

TEST(ChannelBits, OfShapesWithoutAnInnerPartAreTheElements) {
  MaskBits elements(6);
  elements.set(4);
  for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{2, 3}, {6}}) {
    const ChannelBits channels = channel_bits(elements, shape);
    EXPECT_EQ(channels.bits, elements);
    EXPECT_EQ(channels.mixed_channels, 0u);
  }
}

TEST(ChannelBits, OfEmptyTensorsAreNotSet) {
  const std::int64_t no_batch[] = {0, 3, 4}, no_inner[] = {2, 3, 0};
  EXPECT_EQ(channel_bits(MaskBits(0), no_batch).bits.size(), 0u);
  const ChannelBits channels = channel_bits(MaskBits(0), no_inner);
  EXPECT_EQ(channels.bits.size(), 6u);
  EXPECT_EQ(channels.bits.count(), 0u);
  EXPECT_EQ(channels.mixed_channels, 0u);
}

}  // namespace
}  // namespace dropcheck
