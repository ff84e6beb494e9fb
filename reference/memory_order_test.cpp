#include "reference/memory_order.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "harness/core/tensor.hpp"

namespace dropcheck::reference {
namespace {

using Extents = std::vector<std::int64_t>;

/// Addresses of the elements in logical order, in elements.
std::vector<std::int64_t> addresses(const Extents& shape, const Extents& strides) {
  std::vector<std::int64_t> all;
  for (std::int64_t i = 0; i < element_count(shape); ++i) {
    std::int64_t rest = i, at = 0;
    for (std::size_t d = shape.size(); d-- > 0; rest /= shape[d]) at += rest % shape[d] * strides[d];
    all.push_back(at);
  }
  return all;
}

TEST(MemoryOrder, NumbersTheElementsByAddressInEveryLayout) {
  for (const Extents& shape : {Extents{}, {7}, {5, 6}, {1, 3}, {2, 3, 4, 5}, {1, 3, 1, 4}, {2, 3, 2, 3, 4}}) {
    for (const Layout layout : kAllLayouts) {
      Problem problem;
      problem.shape = shape;
      problem.layout = layout;
      if (!validate(problem)) continue;
      const Extents strides = geometry_of(problem, false).strides;
      const MemoryOrder order(shape, strides);
      const auto at = addresses(shape, strides);
      auto sorted = at;
      std::sort(sorted.begin(), sorted.end());
      const bool shares = std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
      bool is_logical = true;
      std::uint64_t visited = 0;
      order.for_each([&](std::uint64_t logical, std::uint64_t number) {
        EXPECT_EQ(logical, visited++);
        EXPECT_EQ(order(logical), number);
        is_logical = is_logical && logical == number;
        if (shares) {
          EXPECT_EQ(number, logical);
        } else {
          EXPECT_EQ(sorted[number], at[logical]) << to_string(layout);
        }
      });
      EXPECT_EQ(visited, at.size());
      EXPECT_EQ(order.is_logical(), is_logical);
      const bool gapless = !shares && sorted.back() + 1 == static_cast<std::int64_t>(sorted.size());
      EXPECT_EQ(is_dense(shape, strides), gapless) << to_string(layout);
    }
  }
}

TEST(MemoryOrder, IgnoresStridesOfDimensionsOfOneElement) {
  EXPECT_TRUE(is_dense(Extents{1, 3, 1, 4}, Extents{0, 4, 999, 1}));
  EXPECT_TRUE(MemoryOrder({1, 3, 1, 4}, Extents{0, 4, 1, 1}).is_logical());
  EXPECT_FALSE(MemoryOrder({1, 3, 4}, Extents{0, 1, 3}).is_logical());
}

}  // namespace
}  // namespace dropcheck::reference
