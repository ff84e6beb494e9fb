#include "reports/detectable.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace dropcheck::reports {
namespace {

ResultRecord passed(std::uint64_t entries, std::optional<double> detectable, std::optional<double> required) {
  ResultRecord r;
  r.verdict = Verdict::pass;
  r.comparisons = entries;
  r.stages = {{1, entries, "pass", {}}};
  if (detectable) r.detectable = MinimumDetectableEffect{*detectable, "u", 1 - 1e-6};
  r.required_effect = required;
  Statistic s;
  s.minimum_detectable_effect = MinimumDetectableEffect{0.5, "u", 0.99};
  r.statistics = {s};
  return r;
}

std::vector<DetectableRange> ranges_of(const std::vector<ResultRecord>& results) {
  std::vector<const ResultRecord*> all;
  for (const ResultRecord& result : results) all.push_back(&result);
  return detectable_effects(all);
}

TEST(Detectable, TheWholeTestSpeaksNotItsStatistics) {
  const auto ranges = ranges_of({passed(100, 0.1, 0.2), passed(1000, 0.01, 0.02), passed(1000, 0.015, 0.05),
                                 passed(10, 0.3, std::nullopt)});
  ASSERT_EQ(ranges.size(), 1u);
  EXPECT_EQ(ranges[0].mask_entries, 1000u);
  EXPECT_EQ(ranges[0].full_size, 0.015);
  EXPECT_EQ(ranges[0].everywhere, 0.3);
  EXPECT_EQ(ranges[0].power, 1 - 1e-6);
  EXPECT_EQ(ranges[0].required_full_size, 0.05);
  EXPECT_EQ(ranges[0].required_everywhere, 0.2);
}

TEST(Detectable, StatisticsSpeakInFilesWithoutStages) {
  const auto ranges = ranges_of({passed(100, std::nullopt, std::nullopt)});
  ASSERT_EQ(ranges.size(), 1u);
  EXPECT_EQ(ranges[0].everywhere, 0.5);
  EXPECT_EQ(ranges[0].power, 0.99);
  EXPECT_FALSE(ranges[0].required_everywhere);
}

TEST(Detectable, ALaterStageMakesNoSampleLarge) {
  ResultRecord escalated = passed(100, 0.1, std::nullopt);
  escalated.stages.push_back({2, 800, "pass", {}});
  const auto ranges = ranges_of({escalated, passed(200, 0.05, std::nullopt)});
  EXPECT_EQ(ranges[0].mask_entries, 200u);
  EXPECT_EQ(ranges[0].full_size, 0.05);
}

TEST(Detectable, EffectsWithoutBoundsAreNotHidden) {
  const double inf = std::numeric_limits<double>::infinity();
  const auto ranges = ranges_of({passed(100, 0.1, 0.2), passed(10, inf, std::nullopt)});
  EXPECT_EQ(ranges[0].full_size, 0.1);
  EXPECT_EQ(ranges[0].everywhere, inf);
  EXPECT_TRUE(ranges_of({passed(10, std::nan(""), std::nullopt)}).empty());
}

TEST(Detectable, UnderpoweredResultsAreKeptApart) {
  ResultRecord weak = passed(100, 0.1, 0.01);
  weak.verdict = Verdict::inconclusive;
  const ResultRecord strong = passed(100, 0.001, 0.01);
  EXPECT_EQ(detectable_effects({&weak, &strong})[0].everywhere, 0.001);
  const auto ranges = underpowered_effects({&weak, &strong});
  ASSERT_EQ(ranges.size(), 1u);
  EXPECT_EQ(ranges[0].everywhere, 0.1);
  EXPECT_EQ(ranges[0].required_everywhere, 0.01);
}

}  // namespace
}  // namespace dropcheck::reports
