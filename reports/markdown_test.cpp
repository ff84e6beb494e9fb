#include "reports/markdown.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "reports/test_records.hpp"

namespace dropcheck::reports {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

TEST(MarkdownReport, FailingRunMatchesTheGoldenFile) {
  expect_golden(markdown_report(failing_run()), "failing.md");
}
TEST(MarkdownReport, PassingRunMatchesTheGoldenFile) {
  expect_golden(markdown_report(passing_run()), "passing.md");
}

TEST(MarkdownReport, StagedRunMatchesTheGoldenFile) {
  expect_golden(markdown_report(staged_run()), "staged.md");
}

TEST(MarkdownReport, FirstLineIsTheVerdict) {
  EXPECT_EQ(first_line(markdown_report(passing_run())),
            "# ✅ PASS: reference, libtorch 1.13.1 behave as dropout (dialect pytorch, profile quick)");
  EXPECT_EQ(first_line(markdown_report(failing_run())),
            "# ❌ FAIL: mutant:swapped: 2 of 4 results failed (mask_rate.rate)");
}

TEST(MarkdownReport, IncompleteRunsSayItFirst) {
  RunRecord run = failing_run();
  run.footer.complete = false;
  run.footer.exit_code = 2;
  EXPECT_THAT(first_line(markdown_report(run)),
              StartsWith("# 🚧 INCOMPLETE: the run was interrupted after 7 results"));
  EXPECT_THAT(first_line(markdown_report(run)), HasSubstr("so far mutant:swapped: 2 of 4 results failed"));
  run.footer.exit_code = 3;
  EXPECT_THAT(first_line(markdown_report(run)), StartsWith("# 🚧 INTERNAL ERROR: "));
}

TEST(MarkdownReport, ARunThatComparedNothingIsNoPass) {
  RunRecord run = passing_run();
  run.results.clear();
  run.footer = {Verdict::pass, {}, 5, true};
  EXPECT_THAT(first_line(markdown_report(run)), StartsWith("# ⚪ NOTHING COMPARED: "));
  EXPECT_THAT(markdown_report(run), Not(HasSubstr("PASS:")));
}

TEST(MarkdownReport, ABackendThatCannotBeOpenedIsAnError) {
  RunRecord run = passing_run();
  run.header.backends[1] = {"plugin:./no.so", {}, "no such file <x>"};
  run.results.resize(2);
  run.footer = {Verdict::pass, {}, 11, true};
  const std::string text = markdown_report(run);
  EXPECT_EQ(first_line(text), "# 💥 ERROR: plugin:./no.so could not be opened: no such file &lt;x&gt;");
  EXPECT_THAT(text, HasSubstr("| `plugin:./no.so` | **could not be opened** |"));
}

TEST(MarkdownReport, InconclusiveNamesItsChecks) {
  RunRecord run = passing_run();
  run.results[0].verdict = Verdict::inconclusive;
  run.footer.verdict = Verdict::inconclusive;
  run.footer.exit_code = 10;
  EXPECT_EQ(first_line(markdown_report(run)),
            "# ❔ INCONCLUSIVE: reference: 1 of 2 results allow no conclusion (mask_rate.rate)");
}

TEST(MarkdownReport, InconclusiveSaysWhy) {
  RunRecord run = staged_run();
  run.results.erase(run.results.begin());
  run.footer.verdict = Verdict::inconclusive;
  run.footer.exit_code = 10;
  EXPECT_EQ(first_line(markdown_report(run)),
            "# ❔ INCONCLUSIVE: mutant:threshold8: 2 of 4 results allow no conclusion, 1 underpowered, 1 "
            "suspicious and not pursued (mask_rate.rate, channel_correlation.lags)");
}

TEST(MarkdownReport, StagesAreShownWithTheirEvidence) {
  const std::string text = markdown_report(staged_run());
  EXPECT_THAT(text, HasSubstr("n = 9437184 mask entries in 2 stages\n"));
  EXPECT_THAT(text, HasSubstr("| 1 | 1048576 | S6 lag 4 | 2e-06 | 2.5e-10 | suspicious |\n"
                              "| 1 | 1048576 | | | | reproduced |\n"
                              "| 2 | 8388608 | S6 lag 4 | 1.25e-20 | 2.5e-06 | fail |\n"));
  EXPECT_THAT(text, Not(HasSubstr("lag 1 |")));
  EXPECT_THAT(markdown_report(failing_run()), Not(HasSubstr("| stage |")));
  RunRecord run = staged_run();
  run.results[0].stages[2].statistics[0].cell = 37;
  EXPECT_THAT(markdown_report(run), HasSubstr("| 2 | 8388608 | S6 lag 4, cell 37 | 1.25e-20 |"));
}

TEST(MarkdownReport, HolmsListIsCutAfterTwentyRows) {
  RunRecord run = staged_run();
  EXPECT_THAT(markdown_report(run), HasSubstr("| statistic \\| 18 | -8.7 | 1e-09 |\n| and 2 more |"));
  run.rejections[0].rejected.resize(20);
  EXPECT_THAT(markdown_report(run), HasSubstr("| statistic \\| 18 | -8.7 | 1e-09 |\n\n"));
  EXPECT_THAT(markdown_report(run), HasSubstr("Of 5000 hypotheses Holm's procedure rejects 20, "));
  run.rejections[0].backend = "another";
  EXPECT_THAT(markdown_report(run), Not(HasSubstr("Holm's procedure")));
}

TEST(MarkdownReport, IncidentsAreToldAndDecideNothing) {
  const std::string text = markdown_report(staged_run());
  EXPECT_THAT(text, HasSubstr("## What backends did besides answering\n\nIt decides nothing."));
  EXPECT_THAT(text,
              HasSubstr("\n- `mutant:threshold8`: changed the rounding mode to upward, which was set back "
                        "(12 calls)\n- `mutant:threshold8`: printed to standard output, the last line: "
                        "&lt;b&gt;\\| &#96;hello&#96; (3 lines)\n"));
  RunRecord quiet = staged_run();
  quiet.incidents.clear();
  EXPECT_THAT(markdown_report(quiet), Not(HasSubstr("besides answering")));
  EXPECT_EQ(first_line(markdown_report(quiet)), first_line(text));
}

TEST(MarkdownReport, IncidentsAreCutBeforeFindings) {
  RunRecord run = large_run(0, 10);
  run.incidents = {{"mutant:swapped", std::vector<std::string>(20, std::string(500, 'z'))}};
  const std::string text = markdown_report(run, {12 * 1024});
  EXPECT_LE(text.size(), 12u * 1024);
  EXPECT_THAT(text, testing::ContainsRegex("\n[0-9]+ lines left out to keep this report below 12 KiB"));
  EXPECT_THAT(text, HasSubstr("besides answering"));
  EXPECT_THAT(text, Not(HasSubstr("checks with findings left out")));
}

TEST(MarkdownReport, BothDropProbabilitiesAreShown) {
  const std::string text = markdown_report(staged_run());
  EXPECT_THAT(text, HasSubstr("- drop probability: 0.1 asked for, 0.1015625 declared by the backend and "
                              "tested\n"));
  EXPECT_THAT(text,
              HasSubstr("- `mutant:threshold8`: 0.1015625 for p = 0.1 (1 result), 0.30078125 for p = 0.3 "
                        "(1 result)\n"));
  RunRecord run = staged_run();
  for (ResultRecord& result : run.results) result.effective_p.reset();
  run.results[0].effective_p = 0.1000000001;
  const std::string close = markdown_report(run);
  EXPECT_THAT(close, HasSubstr("0.1 asked for, 0.1000000001 declared by the backend and tested\n"));
  EXPECT_THAT(close, Not(HasSubstr("More than a millionth away")));
  for (ResultRecord& result : run.results) result.effective_p.reset();
  EXPECT_THAT(markdown_report(run), Not(HasSubstr("declared by the backend")));
}

TEST(MarkdownReport, PowerStandsBesideWhatIsRequired) {
  const std::string text = markdown_report(staged_run());
  EXPECT_THAT(
      text,
      HasSubstr(
          "| mask_rate.rate | 1 of 2 | 9e-05 drop probability | 0.0001 | 1 - 1e-06 |\n"
          "| mask_rate.rate | **underpowered: 1 of 2** | 0.00025 drop probability | 0.0001 | 1 - 1e-06 |\n"));
  EXPECT_THAT(text, Not(HasSubstr("0.011")));  // of one stage alone
  RunRecord run = staged_run();
  run.results.push_back(run.results[4]);
  run.results[5].stages[0].mask_entries = 8;
  run.results[5].detectable->value = std::numeric_limits<double>::infinity();
  EXPECT_THAT(markdown_report(run),
              HasSubstr("| 9e-05 drop probability in the largest samples, none in the smallest | 0.0001 |"));
}

TEST(MarkdownReport, TextsOfBackendsAreEscaped) {
  RunRecord run = failing_run();
  run.results[2].message = "<script>|`\n# boo";
  run.header.backends[1].capabilities.notes = {"<img src=x> | `note`"};
  const std::string text = markdown_report(run);
  EXPECT_THAT(text, HasSubstr("> &lt;script&gt;\\|&#96; # boo\n"));
  EXPECT_THAT(text, HasSubstr("&lt;img src=x&gt; \\| &#96;note&#96;"));
  EXPECT_THAT(text, Not(HasSubstr("<script>")));
  EXPECT_THAT(text, Not(HasSubstr("<img")));
}

TEST(MarkdownReport, RecommendedFindingsAreNoticedInAPass) {
  RunRecord run = failing_run();
  run.results = {run.results[0], run.results[6]};
  run.footer = {Verdict::pass, {}, 0, true};
  const std::string text = markdown_report(run);
  EXPECT_THAT(first_line(text), StartsWith("# ✅ PASS: "));
  EXPECT_THAT(text, HasSubstr("## What was noticed, though it does not decide"));
  EXPECT_THAT(text, Not(HasSubstr("What is wrong")));
}

TEST(MarkdownReport, ManyBackendsBecomeRows) {
  RunRecord run = passing_run();
  for (int i = 0; i < 8; ++i) run.header.backends.push_back({"mutant:" + std::to_string(i), {}, ""});
  EXPECT_THAT(markdown_report(run), HasSubstr("| backend | mask_rate | channel_correlation |"));
}

TEST(MarkdownReport, OverBudgetTheTableOfAllResultsGoesFirst) {
  const RunRecord run = large_run(2000, 3);
  const std::string text = markdown_report(run);
  EXPECT_LE(text.size(), 60u * 1024);
  EXPECT_GT(text.size(), 59u * 1024);
  EXPECT_THAT(text,
              testing::ContainsRegex(
                  "\n[0-9]+ rows left out to keep this report below 60 KiB; all are in results.jsonl.\n"));
  EXPECT_THAT(text, HasSubstr("fact 49"));
  EXPECT_THAT(text, Not(HasSubstr("lines about the environment left out")));
}

TEST(MarkdownReport, ThenTheEnvironmentThenPassesThenFindings) {
  const RunRecord run = large_run(100, 60);
  const auto with = [&](std::size_t budget) {
    const std::string text = markdown_report(run, {budget});
    EXPECT_LE(text.size(), budget);
    return text;
  };
  const std::string machine_cut = with(22 * 1024);
  EXPECT_THAT(machine_cut,
              HasSubstr("lines about the environment left out to keep this report below 22 KiB"));
  EXPECT_THAT(machine_cut, HasSubstr("| mask_rate.scale | errors below one ulp |"));
  const std::string findings_cut = with(12 * 1024);
  EXPECT_THAT(findings_cut, HasSubstr("checks with findings left out to keep this report below 12 KiB"));
  EXPECT_THAT(findings_cut, Not(HasSubstr("errors below one ulp")));
  EXPECT_THAT(findings_cut, HasSubstr("#### mask_rate.rate"));
}

TEST(MarkdownReport, HolmsListsAreCutBeforeFindings) {
  RunRecord run = large_run(0, 10);
  run.rejections = staged_run().rejections;
  run.rejections[0].backend = "mutant:swapped";
  const std::string whole = markdown_report(run, {1 << 20});
  EXPECT_THAT(whole, HasSubstr("| and 2 more |"));
  const std::string text = markdown_report(run, {10 * 1024});
  EXPECT_LE(text.size(), 10u * 1024);
  EXPECT_THAT(text, testing::ContainsRegex("\n[0-9]+ rows of rejected hypotheses left out"));
  EXPECT_THAT(text, HasSubstr("Holm's procedure rejects 22"));
  EXPECT_THAT(text, Not(HasSubstr("checks with findings left out")));
}

TEST(MarkdownReport, NoRecordExceedsTheBudget) {
  RunRecord run = large_run(50, 50);
  for (int i = 0; i < 3000; ++i)
    run.header.checks.push_back({"suite" + std::to_string(i) + ".x", "required", "", "", ""});
  run.results[2].message = std::string(1 << 20, 'x');
  for (const std::size_t budget :
       {std::size_t{60 * 1024}, std::size_t{5000}, std::size_t{100}, std::size_t{0}}) {
    const std::string text = markdown_report(run, {budget});
    EXPECT_LE(text.size(), budget);
    if (budget >= 5000) {
      EXPECT_THAT(text, HasSubstr("left out to keep this report below"));
    }
  }
}

TEST(MarkdownReport, NumbersThatAreNotFiniteArePrinted) {
  RunRecord run = failing_run();
  for (const std::size_t i : {2u, 3u})
    for (Statistic& s : run.results[i].statistics) s.log10_p = s.p_value = s.alpha = std::nan("");
  EXPECT_THAT(markdown_report(run), HasSubstr("p-value nan"));
}

}  // namespace
}  // namespace dropcheck::reports
