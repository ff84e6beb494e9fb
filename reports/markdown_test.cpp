#include "reports/markdown.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

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
