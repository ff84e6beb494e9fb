#include "tools/backend_names.hpp"

#include <gmock/gmock.h>

namespace dropcheck::tools {
namespace {

using ::testing::ElementsAre;

TEST(BackendNames, AreSplitAtCommasAndKeptInOrder) {
  EXPECT_THAT(split_backend_names({"reference,cpu", "mutant:swapped"}),
              ElementsAre("reference", "cpu", "mutant:swapped"));
}

TEST(BackendNames, AreJudgedOnceHoweverOftenTheyAreGiven) {
  EXPECT_THAT(split_backend_names({"cpu,reference", "cpu"}), ElementsAre("cpu", "reference"));
}

TEST(BackendNames, EverythingAfterExecIsOneCommand) {
  EXPECT_THAT(split_backend_names({"cpu,exec:python3 adapter.py --sizes=1,2,3", "reference"}),
              ElementsAre("cpu", "exec:python3 adapter.py --sizes=1,2,3", "reference"));
}

TEST(BackendNames, AnEmptyNameStaysToBeRefused) {
  EXPECT_THAT(split_backend_names({"cpu,,reference"}), ElementsAre("cpu", "", "reference"));
}

}  // namespace
}  // namespace dropcheck::tools
