#include "suites/disjoint_pairs.hpp"

#include <gtest/gtest.h>

#include "harness/testing/rc_gtest.hpp"

namespace dropcheck::suites {
namespace {

using Shape = std::vector<std::int64_t>;

/// The definition, entry by entry.
std::uint64_t counted_one_by_one(const MaskBits& bits, const Shape& shape, std::size_t axis) {
  std::uint64_t inner = 1, both = 0;
  for (std::size_t d = axis + 1; d < shape.size(); ++d) inner *= static_cast<std::uint64_t>(shape[d]);
  const auto extent = static_cast<std::uint64_t>(shape[axis]);
  for (std::uint64_t i = 0; i < bits.size(); ++i) {
    const std::uint64_t at = i / inner % extent;
    if (at % 2 == 0 && at + 1 < extent && bits[i] && bits[i + inner]) ++both;
  }
  return both;
}

TEST(BothDropped, EqualsTheDefinitionOnRandomShapesAndMasks) {
  DROPCHECK_PROPERTY([] {
    Shape shape;
    const auto rank = *rc::gen::inRange(1, 5);
    for (int d = 0; d < rank; ++d)
      shape.push_back(*rc::gen::inRange<std::int64_t>(1, d == rank - 1 ? 200 : 8));
    MaskBits bits(static_cast<std::uint64_t>(element_count(shape)));
    std::uint64_t state = *rc::gen::arbitrary<std::uint64_t>();
    for (std::uint64_t i = 0; i < bits.size(); ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      if ((state >> 62) != 0) bits.set(i);
    }
    for (std::size_t axis = 0; axis < shape.size(); ++axis)
      RC_ASSERT(both_dropped(bits, shape, axis) == counted_one_by_one(bits, shape, axis));
  });
}

TEST(BothDropped, IsTheNumberOfPairsWhereEverythingIsDropped) {
  for (const Shape& shape : {Shape{7}, Shape{8}, Shape{3, 130}, Shape{4, 5, 65}, Shape{2, 1, 64}}) {
    MaskBits all(static_cast<std::uint64_t>(element_count(shape)));
    for (std::uint64_t i = 0; i < all.size(); ++i) all.set(i);
    for (std::size_t axis = 0; axis < shape.size(); ++axis)
      EXPECT_EQ(both_dropped(all, shape, axis), pairs_along(shape, axis));
  }
}

TEST(PairsAlong, LeavesTheLastOfAnOddExtentOut) {
  EXPECT_EQ(pairs_along({5, 4, 3}, 0), 2u * 4 * 3);
  EXPECT_EQ(pairs_along({5, 4, 3}, 1), 5u * 2 * 3);
  EXPECT_EQ(pairs_along({5, 4, 3}, 2), 5u * 4 * 1);
  EXPECT_EQ(pairs_along({1}, 0), 0u);
  EXPECT_EQ(paired_axes({1, 2, 1, 3}), 2u);
  EXPECT_EQ(paired_axes({}), 0u);
}

TEST(MaskShape, IsThatOfTheChannelsForOperatorsThatDropThem) {
  Problem problem;
  problem.shape = {4, 5, 6, 7};
  EXPECT_EQ(mask_shape(problem), problem.shape);
  problem.op = Op::dropout2d;
  EXPECT_EQ(mask_shape(problem), (Shape{4, 5}));
}

TEST(PairCounts, AddUpOverMasksAndMerges) {
  Step step;
  step.problem.shape = {4};
  MaskBits bits(4);
  bits.set(0);
  bits.set(1);
  StepRecord record;
  record.step = &step;
  record.dropped = &bits;
  PairCounts a(step.problem.shape), b(step.problem.shape);
  a.observe(record);
  b.observe(record);
  b.observe(record);
  a.merge(b);
  EXPECT_EQ(a.both(0), 3u);
  EXPECT_EQ(a.pairs(0), 6u);
}

}  // namespace
}  // namespace dropcheck::suites
