#include "harness/stats/memo.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace dropcheck::stats {
namespace {

TEST(Memo, ComputesAValueOnceUntilThereAreTooMany) {
  Memo<int, int, 3> memo;
  int computed = 0;
  const auto square = [&](int x) {
    return memo.of(x, [&] {
      ++computed;
      return x * x;
    });
  };
  for (int pass = 0; pass < 2; ++pass)
    for (const int x : {1, 2, 3}) EXPECT_EQ(square(x), x * x);
  EXPECT_EQ(computed, 3);
  EXPECT_EQ(square(4), 16);  // all others are forgotten
  EXPECT_EQ(square(4), 16);
  EXPECT_EQ(square(1), 1);
  EXPECT_EQ(computed, 5);
}

TEST(Memo, DoesNotRememberWhatThrew) {
  Memo<int, double, 3> memo;
  const auto fail = []() -> double { throw std::domain_error("no such value"); };
  EXPECT_THROW(memo.of(7, fail), std::domain_error);
  EXPECT_THROW(memo.of(7, fail), std::domain_error);
  EXPECT_EQ(memo.of(7, [] { return 0.5; }), 0.5);
}

}  // namespace
}  // namespace dropcheck::stats
