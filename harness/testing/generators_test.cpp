#include "harness/testing/generators.hpp"

#include <gtest/gtest.h>

#include <set>

#include "harness/testing/rc_gtest.hpp"
#include "harness/testing/scripted_backend.hpp"

namespace dropcheck::testing {
namespace {

TEST(ClaimedProblems, StayWithinTheClaims) {
  Capabilities few;
  few.ops = {Op::dropout2d, Op::dropout};
  few.dtypes = {DType::f16, DType::u8};
  few.layouts = {Layout::contiguous, Layout::channels_last};
  DROPCHECK_PROPERTY([few] {
    const Problem x = *claimed_problems(few);
    RC_ASSERT(validate(x).has_value());
    RC_ASSERT(!missing_capability(few, x).has_value());
    RC_ASSERT(x.dtype == DType::f16);
    RC_ASSERT(x.p > 0);
    RC_ASSERT(x.p < 1);
    for (const std::int64_t extent : x.shape) RC_ASSERT(extent >= 1 && extent <= 17);
  });
}

TEST(ClaimedProblems, ReachEverythingThatIsClaimed) {
  std::set<Op> ops;
  std::set<DType> dtypes;
  std::set<Layout> layouts;
  DROPCHECK_PROPERTY([&] {
    for (int i = 0; i < 20; ++i) {
      const Problem x = *claimed_problems(ScriptedBackend::all_claims());
      ops.insert(x.op);
      dtypes.insert(x.dtype);
      layouts.insert(x.layout);
    }
  });
  EXPECT_EQ(ops.size(), kAllOps.size());
  EXPECT_EQ(dtypes.size(), kFloatDTypes.size());
  EXPECT_EQ(layouts.size(), kAllLayouts.size());
}

TEST(AnyP, LiesBetweenZeroAndOneAndReachesTheEdges) {
  std::set<double> seen;
  bool negative_zero = false, subnormal = false;
  DROPCHECK_PROPERTY([&] {
    for (int i = 0; i < 20; ++i) {
      const double p = *any_p();
      RC_ASSERT(p >= 0);
      RC_ASSERT(p <= 1);
      seen.insert(p);
      negative_zero = negative_zero || (p == 0 && std::signbit(p));
      subnormal = subnormal || (p != 0 && !std::isnormal(p));
    }
  });
  EXPECT_TRUE(seen.contains(1.0));
  EXPECT_TRUE(negative_zero);
  EXPECT_TRUE(subnormal);
  EXPECT_GT(seen.size(), 200u);
}

}  // namespace
}  // namespace dropcheck::testing
