#include "harness/core/tensor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "harness/testing/generators.hpp"
#include "harness/testing/rc_gtest.hpp"

namespace dropcheck {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Problem laid_out(std::vector<std::int64_t> shape, Layout layout, DType dtype = DType::f32) {
  Problem x;
  x.shape = std::move(shape);
  x.layout = layout;
  x.dtype = dtype;
  return x;
}

void expect_geometry(const Problem& x, bool is_output, const std::vector<std::int64_t>& strides,
                     std::int64_t first, std::int64_t span) {
  const TensorGeometry g = geometry_of(x, is_output);
  EXPECT_EQ(g.strides, strides) << to_string(x.layout);
  EXPECT_EQ(g.first, first) << to_string(x.layout);
  EXPECT_EQ(g.span, span) << to_string(x.layout);
}

TEST(Geometry, OfEveryLayoutIsTheDocumentedOne) {
  for (const bool is_output : {false, true}) {
    expect_geometry(laid_out({2, 3, 4, 5}, Layout::contiguous), is_output, {60, 20, 5, 1}, 0, 120);
    expect_geometry(laid_out({2, 3, 4, 5}, Layout::channels_last), is_output, {60, 1, 15, 3}, 0, 120);
    expect_geometry(laid_out({2, 3, 4, 5, 6}, Layout::channels_last_3d), is_output, {360, 1, 90, 18, 3}, 0,
                    720);
    expect_geometry(laid_out({2, 3, 4, 5}, Layout::transposed), is_output, {60, 20, 1, 4}, 0, 120);
    expect_geometry(laid_out({2, 3, 4, 5}, Layout::strided), is_output, {120, 40, 10, 2}, 0, 239);
    expect_geometry(laid_out({2, 3, 4, 5}, Layout::shifted), is_output, {60, 20, 5, 1}, 1, 120);
  }
  expect_geometry(laid_out({2, 3, 4, 5}, Layout::expanded), false, {0, 20, 5, 1}, 0, 60);
  expect_geometry(laid_out({2, 3, 4, 5}, Layout::expanded), true, {60, 20, 5, 1}, 0, 120);
}

TEST(Geometry, OfNoDimensionsIsOneElement) {
  expect_geometry(laid_out({}, Layout::contiguous), false, {}, 0, 1);
  expect_geometry(laid_out({}, Layout::shifted), false, {}, 1, 1);
}

TEST(Geometry, OfAnEmptyTensorNeedsNoMemory) {
  for (const Layout layout : {Layout::contiguous, Layout::transposed, Layout::strided, Layout::expanded}) {
    const TensorGeometry g = geometry_of(laid_out({3, 0, 2}, layout), false);
    EXPECT_EQ(g.span, 0) << to_string(layout);
    EXPECT_EQ(g.strides.size(), 3u);
  }
}

/// Offsets of all elements, in logical order, from nothing but the definition of strides.
std::vector<std::int64_t> offsets_of(const std::vector<std::int64_t>& shape,
                                     const std::vector<std::int64_t>& strides) {
  std::vector<std::int64_t> offsets;
  for (std::int64_t n = 0; n < element_count(shape); ++n) {
    std::int64_t rest = n, offset = 0;
    for (std::size_t d = shape.size(); d-- > 0; rest /= shape[d]) offset += rest % shape[d] * strides[d];
    offsets.push_back(offset);
  }
  return offsets;
}

TEST(Geometry, KeepsElementsApartAndInsideTheSpan) {
  DROPCHECK_PROPERTY([] {
    const Problem x = *testing::any_problem();
    const TensorGeometry g = geometry_of(x, true);
    const auto offsets = offsets_of(x.shape, g.strides);
    const std::set<std::int64_t> distinct(offsets.begin(), offsets.end());
    RC_ASSERT(distinct.size() == offsets.size());
    RC_ASSERT(*distinct.begin() == 0);
    RC_ASSERT(*distinct.rbegin() == g.span - 1);
  });
}

struct Storage {
  std::vector<std::byte> memory;
  TensorView view;

  Storage(const Problem& x, bool is_output) {
    const TensorGeometry g = geometry_of(x, is_output);
    memory.assign(static_cast<std::size_t>(g.span) * size_of(x.dtype), std::byte{0});
    view = {memory.data(), x.dtype, x.shape, g.strides};
  }
};

TEST(Gather, BringsBackWhatScatterPutThere) {
  DROPCHECK_PROPERTY([] {
    const Problem x = *testing::any_problem();
    Storage storage(x, true);
    const std::size_t bytes = static_cast<std::size_t>(element_count(x.shape)) * size_of(x.dtype);
    std::vector<std::byte> in(bytes), out(bytes);
    for (std::size_t i = 0; i < bytes; ++i) in[i] = static_cast<std::byte>(i * 37 + i / 251);
    scatter(in.data(), storage.view);
    gather(storage.view, out.data());
    RC_ASSERT(in == out);
  });
}

TEST(Scatter, PutsEachElementWhereTheStridesSay) {
  DROPCHECK_PROPERTY([] {
    const Problem x = *testing::any_problem();
    Storage storage(x, true);
    const std::size_t size = size_of(x.dtype);
    const auto offsets = offsets_of(x.shape, storage.view.strides);
    std::vector<std::byte> in(offsets.size() * size);
    for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::byte>(i * 37 + i / 251);
    scatter(in.data(), storage.view);
    for (std::size_t n = 0; n < offsets.size(); ++n)
      RC_ASSERT(std::memcmp(storage.memory.data() + static_cast<std::size_t>(offsets[n]) * size,
                            in.data() + n * size, size) == 0);
  });
}

TEST(Gather, RepeatsTheSharedSlicesOfAnExpandedInput) {
  Storage storage(laid_out({3, 2}, Layout::expanded, DType::u8), false);
  ASSERT_EQ(storage.memory.size(), 2u);
  storage.memory = {std::byte{7}, std::byte{9}};
  storage.view.data = storage.memory.data();
  std::vector<std::byte> out(6);
  gather(storage.view, out.data());
  EXPECT_THAT(
      out, ElementsAre(std::byte{7}, std::byte{9}, std::byte{7}, std::byte{9}, std::byte{7}, std::byte{9}));
}

std::vector<std::int64_t> rows_of(const Problem& x) {
  Storage storage(x, true);
  std::vector<std::int64_t> rows;
  for_each_row(storage.view, [&](const std::byte* at) { rows.push_back(at - storage.memory.data()); });
  return rows;
}

TEST(ForEachRow, VisitsRowsInLogicalOrder) {
  EXPECT_THAT(rows_of(laid_out({2, 3, 4}, Layout::contiguous, DType::u8)), ElementsAre(0, 4, 8, 12, 16, 20));
  EXPECT_THAT(rows_of(laid_out({2, 3, 4}, Layout::contiguous, DType::f16)),
              ElementsAre(0, 8, 16, 24, 32, 40));
  EXPECT_THAT(rows_of(laid_out({2, 3, 4}, Layout::transposed, DType::u8)), ElementsAre(0, 1, 2, 12, 13, 14));
  EXPECT_THAT(rows_of(laid_out({2, 3, 4}, Layout::strided, DType::u8)), ElementsAre(0, 8, 16, 24, 32, 40));
  EXPECT_THAT(rows_of(laid_out({1, 2, 2, 2}, Layout::channels_last, DType::u8)), ElementsAre(0, 4, 1, 5));
}

TEST(ForEachRow, VisitsOneRowOfAVectorOrScalarAndNoneOfAnEmptyTensor) {
  EXPECT_THAT(rows_of(laid_out({}, Layout::contiguous)), ElementsAre(0));
  EXPECT_THAT(rows_of(laid_out({5}, Layout::strided)), ElementsAre(0));
  EXPECT_THAT(rows_of(laid_out({0}, Layout::contiguous)), IsEmpty());
  EXPECT_THAT(rows_of(laid_out({2, 0}, Layout::contiguous)), IsEmpty());
  EXPECT_THAT(rows_of(laid_out({0, 2, 3}, Layout::strided)), IsEmpty());
}

TEST(TensorView, IsContiguousWhereTheStridesOfLongerDimensionsSaySo) {
  const auto is_contiguous = [](const Problem& x) { return Storage(x, true).view.is_contiguous(); };
  EXPECT_TRUE(is_contiguous(laid_out({}, Layout::contiguous)));
  EXPECT_TRUE(is_contiguous(laid_out({2, 3}, Layout::shifted)));
  EXPECT_FALSE(is_contiguous(laid_out({2, 3}, Layout::transposed)));
  EXPECT_FALSE(is_contiguous(laid_out({2, 3}, Layout::strided)));
  EXPECT_TRUE(is_contiguous(laid_out({2, 1}, Layout::transposed)));
  EXPECT_TRUE(is_contiguous(laid_out({2, 1, 4, 5}, Layout::channels_last))) << "one channel lies anywhere";
  EXPECT_FALSE(Storage(laid_out({2, 3}, Layout::expanded), false).view.is_contiguous());
}

}  // namespace
}  // namespace dropcheck
