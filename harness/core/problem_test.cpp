#include "harness/core/problem.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "harness/testing/generators.hpp"
#include "harness/testing/rc_gtest.hpp"

namespace dropcheck {
namespace {

using ::testing::HasSubstr;

Problem of(Op op, std::vector<std::int64_t> shape, Layout layout = Layout::contiguous) {
  Problem x;
  x.op = op;
  x.shape = std::move(shape);
  x.layout = layout;
  return x;
}

void expect_refused(const Problem& x, const std::string& fragment) {
  const Status status = validate(x);
  ASSERT_FALSE(status) << fragment;
  EXPECT_EQ(status.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(status.error().message, HasSubstr(fragment));
}

TEST(Problem, CountsElements) {
  EXPECT_EQ(element_count({}), 1);
  EXPECT_EQ(element_count(std::vector<std::int64_t>{7}), 7);
  EXPECT_EQ(element_count(std::vector<std::int64_t>{2, 3, 5}), 30);
  EXPECT_EQ(element_count(std::vector<std::int64_t>{2, 0, 5}), 0);
}

TEST(Problem, CountsOneMaskEntryAnElementOrAChannel) {
  EXPECT_EQ(mask_count(of(Op::dropout, {2, 3, 5})), 30);
  EXPECT_EQ(mask_count(of(Op::alpha_dropout, {2, 3, 5})), 30);
  EXPECT_EQ(mask_count(of(Op::dropout1d, {2, 3, 5})), 6);
  EXPECT_EQ(mask_count(of(Op::dropout2d, {2, 3, 5, 7})), 6);
  EXPECT_EQ(mask_count(of(Op::dropout3d, {2, 3, 5, 7, 11})), 6);
  EXPECT_EQ(mask_count(of(Op::feature_alpha_dropout, {4, 9})), 36);
  EXPECT_EQ(mask_count(of(Op::feature_alpha_dropout, {0, 9, 4})), 0);
}

TEST(Problem, GeneratedProblemsAreValid) {
  DROPCHECK_PROPERTY([] {
    const Problem x = *testing::any_problem();
    RC_ASSERT(validate(x).has_value());
    RC_ASSERT(mask_count(x) <= element_count(x.shape));
    RC_ASSERT(element_count(x.shape) % mask_count(x) == 0);
  });
}

TEST(Problem, RefusesWhatIsNoDropProbability) {
  for (const double p :
       {-0.1, std::nextafter(1.0, 2.0), std::nan(""), std::numeric_limits<double>::infinity(),
        -std::numeric_limits<double>::denorm_min()}) {
    Problem x = of(Op::dropout, {4});
    x.p = p;
    expect_refused(x, "not a drop probability");
  }
  for (const double p : {0.0, -0.0, 1.0, std::numeric_limits<double>::denorm_min()}) {
    Problem x = of(Op::dropout, {4});
    x.p = p;
    EXPECT_TRUE(validate(x)) << p;
  }
}

TEST(Problem, RefusesShapesThatOverflowOrAreTooLarge) {
  constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();
  expect_refused(of(Op::dropout, {kHuge, kHuge}), "write a smaller shape");
  expect_refused(of(Op::dropout, {0, kHuge, kHuge}), "write a smaller shape");
  expect_refused(of(Op::dropout, {kMaxBytes / 4 + 1}), "64 GiB");
  EXPECT_TRUE(validate(of(Op::dropout, {kMaxBytes / 4})));
  expect_refused(of(Op::dropout, {kMaxBytes / 4}, Layout::strided), "too large for layout=strided");
  EXPECT_TRUE(validate(of(Op::dropout, {kMaxBytes / 8}, Layout::strided)));
  expect_refused(of(Op::dropout, {3, -1}), "extent -1");
  expect_refused(of(Op::dropout, std::vector<std::int64_t>(9, 1)), "9 dimensions: write at most 8");
}

TEST(Problem, RefusesRanksThatTheOperatorLacks) {
  expect_refused(of(Op::dropout1d, {2, 3}), "dropout1d takes a shape of 3 dimensions, not 2");
  expect_refused(of(Op::dropout2d, {2, 3, 5}), "dropout2d takes a shape of 4 dimensions, not 3");
  expect_refused(of(Op::dropout3d, {2, 3, 5, 7}), "dropout3d takes a shape of 5 dimensions, not 4");
  expect_refused(of(Op::feature_alpha_dropout, {2}), "takes a shape of 2 to 8 dimensions, not 1");
  EXPECT_TRUE(validate(of(Op::dropout2d, {0}))) << "an empty tensor has nothing to drop";
}

TEST(Problem, RefusesLayoutsThatDoNotFitTheRank) {
  expect_refused(of(Op::dropout, {2, 3, 5}, Layout::channels_last), "channels_last needs a shape of 4");
  expect_refused(of(Op::dropout, {2, 3, 5, 7}, Layout::channels_last_3d),
                 "channels_last_3d needs a shape of 5");
  expect_refused(of(Op::dropout, {2}, Layout::transposed), "transposed needs a shape of 2");
  expect_refused(of(Op::dropout, {}, Layout::strided), "strided needs a shape of 1");
  expect_refused(of(Op::dropout, {}, Layout::expanded), "expanded needs a shape of 1");
  EXPECT_TRUE(validate(of(Op::dropout, {}, Layout::shifted)));
}

TEST(Problem, RefusesAnExpandedTensorInPlace) {
  Problem x = of(Op::dropout, {2, 3}, Layout::expanded);
  EXPECT_TRUE(validate(x));
  x.in_place = true;
  expect_refused(x, "share memory");
}

TEST(Problem, BoundsCallsAndThreads) {
  Problem x = of(Op::dropout, {4});
  for (const std::uint32_t calls : {1u, kMaxCalls}) {
    x.calls = calls;
    EXPECT_TRUE(validate(x)) << calls;
  }
  for (const std::uint32_t calls : {0u, kMaxCalls + 1}) {
    x.calls = calls;
    expect_refused(x, "calls=");
  }
  x.calls.reset();
  x.threads = kMaxThreads;
  EXPECT_TRUE(validate(x));
  x.threads = kMaxThreads + 1;
  expect_refused(x, "threads=1025");
}

}  // namespace
}  // namespace dropcheck
