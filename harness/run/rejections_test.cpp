#include "harness/run/rejections.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace dropcheck {
namespace {

Statistic statistic(const std::string& name, double p_value, double alpha) {
  Statistic s;
  s.name = name;
  s.p_value = p_value;
  s.log10_p = std::log10(p_value);
  s.alpha = alpha;
  return s;
}

ResultRecord record(const std::string& backend, std::vector<Statistic> statistics) {
  ResultRecord r;
  r.backend = backend;
  r.check = "suite.check";
  r.problem = "op=dropout,p=0.5,shape=8";
  r.statistics = std::move(statistics);
  r.stages = {{1, 8, "pass", {}}};
  return r;
}

TEST(Rejections, ListsTheMostSignificantFirstAndOnlyTheBackendsOwn) {
  const std::vector<ResultRecord> results = {
      record("a", {statistic("weak", 1e-8, 1e-7), statistic("none", 0.3, 1e-7)}),
      record("b", {statistic("other", 1e-20, 1e-7)}), record("a", {statistic("strong", 1e-30, 1e-7)})};
  const RejectionList list = rejections_of("a", results, 1e-6);
  EXPECT_EQ(list.backend, "a");
  EXPECT_EQ(list.hypotheses, 3u);
  ASSERT_EQ(list.rejected.size(), 2u);
  EXPECT_EQ(list.rejected[0].statistic, "strong");
  EXPECT_EQ(list.rejected[1].statistic, "weak");
  EXPECT_EQ(list.rejected[1].share, 1e-7);
}

TEST(Rejections, HandsTheBudgetOfWhatIsRejectedOn) {
  // 0.7e-6 is above its own share, but below the share that two rejections leave it.
  const std::vector<ResultRecord> results = {
      record("a", {statistic("x", 1e-12, 5e-7), statistic("y", 0.7e-6, 5e-7)})};
  EXPECT_EQ(rejections_of("a", results, 1e-6).rejected.size(), 2u);
  const std::vector<ResultRecord> quiet = {record("a", {statistic("y", 0.7e-6, 5e-7)})};
  EXPECT_TRUE(rejections_of("a", quiet, 1e-6).rejected.empty());
}

TEST(Rejections, ListsWhatALaterStageRejected) {
  ResultRecord r = record("a", {statistic("lag 4", 1e-5, 1e-9)});
  r.stages.push_back({2, 64, "fail", {statistic("lag 4", 1e-8, 1e-6)}});
  const RejectionList list = rejections_of("a", std::vector{r}, 1e-6);
  ASSERT_EQ(list.rejected.size(), 1u);
  EXPECT_EQ(list.rejected[0].share, 1e-6);
}

}  // namespace
}  // namespace dropcheck
