#include "reports/summary.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "reports/test_records.hpp"

namespace dropcheck::reports {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

auto lines_of(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

TEST(ConsoleSummary, PassIsShortAndSaysWhatWouldHaveBeenCaught) {
  const std::string text = console_summary(passing_run(), false);
  EXPECT_THAT(text, HasSubstr("PASS         libtorch 1.13.1: mask_rate 2 passed\n"));
  EXPECT_THAT(text, HasSubstr("would have caught in the largest samples: 9.95e-05 drop probability with "
                              "probability 1 - 1e-06\n"));
  EXPECT_THAT(
      text,
      EndsWith("\nPASS: reference, libtorch 1.13.1 behave as dropout (dialect pytorch, profile quick)\n"));
}

TEST(ConsoleSummary, ARivalsVerdictIsNotTakenForOurs) {
  RunRecord run = passing_run();
  run.header.filters = "suite=rival:tinygrad";
  run.header.checks.clear();
  for (ResultRecord& result : run.results) {
    result.check = "rival:tinygrad.count";
    result.level = "recommended";
  }
  run.results.back().verdict = Verdict::fail;
  const std::string text = console_summary(run, false);
  EXPECT_THAT(text, HasSubstr("RIVALS       libtorch 1.13.1: rival:tinygrad 1 of 2 passed"));
  EXPECT_THAT(text, HasSubstr("FAIL libtorch rival:tinygrad.count"));
  EXPECT_THAT(text, HasSubstr("(a rival's verdict: decides nothing)"));
  EXPECT_THAT(text,
              EndsWith("\nNOTHING DECIDED: reference: 2 of 2 results passed; libtorch 1.13.1: 1 of 2 results "
                       "passed (suite=rival:tinygrad); the verdict of a rival's test is its own and decides "
                       "nothing\n"));
  run.results.front().check = "mask_rate.rate";
  run.results.front().level = "required";
  EXPECT_THAT(console_summary(run, false), HasSubstr("\nPASS: "));
}

TEST(ConsoleSummary, InconclusiveSaysWhyInAFewWords) {
  RunRecord run = staged_run();
  const std::string failed = console_summary(run, false);
  EXPECT_THAT(failed, HasSubstr("1 underpowered, 1 suspicious and not pursued\n"));
  run.results.erase(run.results.begin());
  run.footer.verdict = Verdict::inconclusive;
  run.footer.exit_code = 10;
  const std::string text = console_summary(run, false);
  EXPECT_THAT(text, HasSubstr("INCONCLUSIVE mutant:threshold8: mask_rate 1 of 2, channel_correlation 1 of 2 "
                              "passed; 1 underpowered, 1 suspicious and not pursued\n"));
  EXPECT_THAT(text, HasSubstr("INCONCLUSIVE (underpowered) mutant:threshold8 mask_rate.rate "));
  EXPECT_THAT(text, HasSubstr("INCONCLUSIVE (suspicious, not pursued) mutant:threshold8 "));
  EXPECT_THAT(text, EndsWith("INCONCLUSIVE: mutant:threshold8: 2 of 4 results allow no conclusion, 1 "
                             "underpowered, 1 suspicious and not pursued (mask_rate.rate, "
                             "channel_correlation.lags)\n"));
}

TEST(ConsoleSummary, ManyBackendsStayWithinAScreen) {
  RunRecord run = passing_run();
  for (int i = 0; i < 100; ++i) {
    run.header.backends.push_back({"mutant:" + std::to_string(i), {}, ""});
    run.results.push_back(run.results[0]);
    run.results.back().backend = run.header.backends.back().spec;
  }
  const std::string text = console_summary(run, false);
  EXPECT_LE(lines_of(text), 25);
  EXPECT_THAT(text, HasSubstr("... and 92 more backends"));
}

TEST(ConsoleSummary, FindingsComeWithMessageAndRepro) {
  const std::string text = console_summary(failing_run(), false);
  EXPECT_THAT(text, HasSubstr("FAIL mutant:swapped mask_rate.rate op=dropout,p=0.1,"));
  EXPECT_THAT(text, HasSubstr("  the drop rate is 0.9, expected 0.1"));
  EXPECT_THAT(text, HasSubstr("  repro: dropcheck run --backend=mutant:swapped"));
  EXPECT_THAT(text, HasSubstr("(recommended: does not decide)"));
  EXPECT_THAT(text, EndsWith("FAIL: mutant:swapped: 2 of 4 results failed (mask_rate.rate)\n"));
}

TEST(ConsoleSummary, OneCaseOfEachFailingCheckIsShownAndTheOthersAreCounted) {
  RunRecord run = failing_run();
  const ResultRecord* failure = nullptr;
  for (const ResultRecord& result : run.results)
    if (result.verdict == Verdict::fail && failure == nullptr) failure = &result;
  ASSERT_NE(failure, nullptr);
  const ResultRecord one = *failure;
  for (int i = 0; i < 30; ++i) run.results.push_back(one);
  const std::string text = console_summary(run, false);
  EXPECT_THAT(text, HasSubstr("more cases of this check\n"));
  EXPECT_LE(lines_of(text), 40);
}

TEST(ConsoleSummary, WhatBackendsDidBesidesIsOneLine) {
  RunRecord run = staged_run();
  const std::string text = console_summary(run, false);
  EXPECT_THAT(text,
              HasSubstr("\n             besides: changed the rounding mode to upward, which was set back "
                        "(12 calls); and 1 more in report.md\n"));
  run.incidents[0].texts = {"printed \x1b[2J\nand more"};
  EXPECT_THAT(console_summary(run, false), HasSubstr("besides: printed [2J and more\n"));
  run.incidents.clear();
  EXPECT_EQ(lines_of(console_summary(run, false)), lines_of(text) - 1);
}

TEST(ConsoleSummary, EscapeSequencesOfBackendsDoNotReachTheTerminal) {
  RunRecord run = failing_run();
  run.results[2].message = "\x1b[2Jgone";
  EXPECT_THAT(console_summary(run, false), Not(HasSubstr("\x1b")));
  EXPECT_THAT(console_summary(run, true), HasSubstr("\x1b[31mFAIL\x1b[0m"));
  EXPECT_THAT(console_summary(run, true), Not(HasSubstr("\x1b[2J")));
}

}  // namespace
}  // namespace dropcheck::reports
