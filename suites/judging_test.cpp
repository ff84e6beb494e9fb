#include "suites/judging.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

namespace dropcheck::suites {
namespace {

using ::testing::HasSubstr;

Statistic statistic(const std::string& name, double p_value, double alpha) {
  Statistic s;
  s.id = "S1";
  s.name = name;
  s.p_value = p_value;
  s.log10_p = std::log10(p_value);
  s.alpha = alpha;
  s.minimum_detectable_effect = MinimumDetectableEffect{0.01, "drop probability", kPower};
  return s;
}

std::string name_of(const Statistic& s) { return "the sentence of " + s.name; }

TEST(JudgeStatistics, PassesAndSaysWhatWasSeen) {
  Statistic s = statistic("rate", 0.4, 1e-9);
  s.effect = Effect{0.3, "drop probability", 0.29, 0.31};
  const Judgement j = judge_statistics({s}, 77, name_of);
  EXPECT_EQ(j.verdict, Verdict::pass);
  EXPECT_EQ(j.comparisons, 77u);
  EXPECT_EQ(j.message, "rate: seen 0.3 (drop probability), interval [0.29, 0.31]");
}

TEST(JudgeStatistics, FailsWithTheSentenceOfTheWorstRelativeToItsShare) {
  const Judgement j = judge_statistics(
      {statistic("first", 0.5, 1e-9), statistic("second", 1e-12, 1e-9), statistic("third", 1e-11, 1e-2)}, 3,
      name_of);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("the sentence of third"));
  EXPECT_THAT(j.message, HasSubstr("p-value 1e-11, below its level 0.01"));
  EXPECT_EQ(j.statistics.size(), 3u);
}

TEST(JudgeStatistics, APValueEqualToItsShareRejects) {
  EXPECT_EQ(judge_statistics({statistic("rate", 1e-9, 1e-9)}, 1, name_of).verdict, Verdict::fail);
  EXPECT_EQ(judge_statistics({statistic("rate", 1.001e-9, 1e-9)}, 1, name_of).verdict, Verdict::pass);
}

TEST(PValueText, SurvivesValuesBelowTheRangeOfDoubles) {
  Statistic s = statistic("rate", 0.0, 1e-9);
  s.log10_p = -345.2;
  EXPECT_EQ(p_value_text(s), "10^-345");
  s.log10_p = -std::numeric_limits<double>::infinity();
  EXPECT_EQ(p_value_text(s), "0");
  EXPECT_EQ(p_value_text(statistic("rate", 4e-11, 1e-9)), "4e-11");
}

TEST(ExactFinding, KeepsTheFirstViolationAcrossMerges) {
  ExactFinding first, second;
  first.compared(10);
  second.compared(5);
  second.violated(2, [] { return std::string("the second block is wrong"); });
  second.violated(1, [] { return std::string("later still"); });
  first.merge(second);
  EXPECT_FALSE(first.clean());
  const Judgement j = first.judgement("all held");
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_EQ(j.message, "the second block is wrong");
  EXPECT_EQ(j.comparisons, 15u);
  ExactFinding earlier;
  earlier.violated(1, [] { return std::string("the first block is wrong"); });
  earlier.merge(second);
  EXPECT_EQ(earlier.judgement("").message, "the first block is wrong");
}

TEST(ExactFinding, DescribesNothingWhenNothingIsViolated) {
  ExactFinding finding;
  finding.compared(3);
  finding.violated(0, []() -> std::string { throw std::logic_error("must not be called"); });
  const Judgement j = finding.judgement("all held");
  EXPECT_EQ(j.verdict, Verdict::pass);
  EXPECT_THAT(j.message, HasSubstr("all held (3 comparisons, exact: any violation would have been caught)"));
}

}  // namespace
}  // namespace dropcheck::suites
