#include <gtest/gtest.h>

#include "tools/commands.hpp"

namespace dropcheck::tools {
namespace {

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

Selection lanes(unsigned count) {
  Selection selection;
  selection.threads = count;
  return selection;
}

TEST(Limits, AreThoseThatWereGiven) {
  Selection selection = lanes(3);
  selection.memory_limit = 0.5;
  selection.call_timeout = 2.5;
  selection.in_process = true;
  const BackendOptions options = backend_options(selection);
  EXPECT_EQ(options.memory_limit, kGiB / 2);
  EXPECT_EQ(options.deadline, std::chrono::milliseconds(2500));
  EXPECT_TRUE(options.in_process);
  selection.memory_limit = 0;
  EXPECT_EQ(backend_options(selection).memory_limit, 0u) << "none";
}

TEST(Limits, OfMemoryAreByDefaultAShareOfTheMachine) {
  const std::uint64_t alone = backend_options(lanes(1)).memory_limit;
  EXPECT_GT(alone, kGiB / 4) << "a machine that runs these tests has more";
  EXPECT_EQ(backend_options(lanes(1)).deadline.count(), 0) << "that of the kind of backend";
  for (const unsigned count : {2u, 8u, 64u}) {
    const std::uint64_t each = backend_options(lanes(count)).memory_limit;
    EXPECT_EQ(each, std::max(alone / count, std::min(alone, 2 * kGiB))) << count;
  }
}

}  // namespace
}  // namespace dropcheck::tools
