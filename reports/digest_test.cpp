#include "reports/digest.hpp"

#include <gtest/gtest.h>

#include "reports/test_records.hpp"

namespace dropcheck::reports {
namespace {

TEST(Digest, TheQuotedStatisticIsTheOneThatRejectedWhateverItsStage) {
  const RunRecord run = staged_run();
  EXPECT_EQ(quoted_statistic(run.results[0])->p_value, 1.25e-20);
  EXPECT_EQ(quoted_statistic(run.results[1])->p_value, 2e-6);
  ResultRecord none = run.results[0];
  none.statistics.clear();
  none.stages.clear();
  EXPECT_EQ(quoted_statistic(none), nullptr);
}

TEST(Digest, MaskEntriesComputedTwiceCountOnce) {
  const RunRecord run = staged_run();
  EXPECT_EQ(mask_entries(run.results[0]), 9u << 20);
  EXPECT_EQ(mask_entries(run.results[1]), 73u << 20);
  EXPECT_EQ(mask_entries(run.results[4]), 16u << 20);
  EXPECT_EQ(last_stage(run.results[0]), 2u);
  EXPECT_EQ(last_stage(run.results[1]), 3u);
  EXPECT_EQ(last_stage(run.results[4]), 1u);
  EXPECT_EQ(last_stage(ResultRecord{}), 0u);
}

TEST(Digest, TheEvidenceOfTheFirstStageIsWhatWasPursued) {
  const RunRecord run = staged_run();
  const auto first = stage_evidence(run.results[0], 0);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0]->name, "lag 4");
  EXPECT_EQ(first[0]->p_value, 2e-6);
  EXPECT_TRUE(stage_evidence(run.results[0], 1).empty());
  ASSERT_EQ(stage_evidence(run.results[0], 2).size(), 1u);
  EXPECT_EQ(stage_evidence(run.results[0], 2)[0]->p_value, 1.25e-20);
  ASSERT_EQ(stage_evidence(run.results[2], 0).size(), 1u);
  EXPECT_EQ(stage_evidence(run.results[2], 0)[0]->name, "lag 4");
}

TEST(Digest, ADropProbabilityOfItsOwnIsOneThatWasNotAskedFor) {
  const RunRecord run = staged_run();
  EXPECT_EQ(asked_p(run.results[0]), 0.1);
  EXPECT_TRUE(tested_own_p(run.results[0]));
  EXPECT_FALSE(tested_own_p(run.results[2]));  // 0.5 declared, 0.5 asked for
  EXPECT_FALSE(tested_own_p(run.results[3]));  // nothing declared
  ResultRecord other = run.results[0];
  other.problem = "random problems";
  EXPECT_FALSE(asked_p(other));
}

}  // namespace
}  // namespace dropcheck::reports
