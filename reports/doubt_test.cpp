#include "reports/doubt.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "reports/test_records.hpp"

namespace dropcheck::reports {
namespace {

TEST(Doubt, UnderpoweredIsAnInconclusiveResultThatCatchesLessThanRequired) {
  const ResultRecord weak = staged_run().results[3];
  EXPECT_TRUE(is_underpowered(weak));
  EXPECT_EQ(doubt_of(weak), "underpowered");
  EXPECT_EQ(verdict_text(weak), "inconclusive (underpowered)");

  ResultRecord enough = weak;
  enough.required_effect = enough.detectable->value;
  EXPECT_FALSE(is_underpowered(enough));
  ResultRecord failed = weak;
  failed.verdict = Verdict::fail;
  EXPECT_FALSE(is_underpowered(failed));
  EXPECT_EQ(verdict_text(failed), "fail");
  ResultRecord no_need = weak;
  no_need.required_effect.reset();
  EXPECT_FALSE(is_underpowered(no_need));
  ResultRecord nothing = weak;
  nothing.comparisons = 0;
  EXPECT_FALSE(is_underpowered(nothing));
  for (const double value : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    ResultRecord boundless = weak;
    boundless.detectable->value = value;
    EXPECT_TRUE(is_underpowered(boundless));
  }
}

TEST(Doubt, UnpursuedIsAnInconclusiveResultThatEndsSuspicious) {
  const RunRecord run = staged_run();
  EXPECT_TRUE(is_unpursued(run.results[2]));
  EXPECT_EQ(doubt_of(run.results[2]), "suspicious, not pursued");
  EXPECT_FALSE(is_unpursued(run.results[0]));
  EXPECT_FALSE(is_unpursued(run.results[1]));
  EXPECT_FALSE(is_unpursued(run.results[3]));
  ResultRecord both = run.results[3];
  both.stages.back().outcome = "suspicious";
  EXPECT_EQ(doubt_of(both), "suspicious, not pursued");
  both.stages.clear();
  EXPECT_EQ(doubt_of(both), "underpowered");
}

TEST(Doubt, CountsAreAddedUp) {
  const RunRecord run = staged_run();
  std::vector<const ResultRecord*> all;
  for (const ResultRecord& result : run.results) all.push_back(&result);
  all.push_back(&run.results[3]);
  EXPECT_EQ(doubts_text(all), "2 underpowered, 1 suspicious and not pursued");
  EXPECT_EQ(doubts_text({&run.results[2]}), "1 suspicious and not pursued");
  EXPECT_EQ(doubts_text({&run.results[0], &run.results[1]}), "");
}

}  // namespace
}  // namespace dropcheck::reports
