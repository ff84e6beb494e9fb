#include "reports/conformance.hpp"

#include <gmock/gmock.h>

#include "reports/markdown.hpp"
#include "reports/test_records.hpp"

namespace dropcheck::reports {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

DialectRow row(int number, std::string impossible = {}) {
  DialectRow row;
  row.number = number;
  row.layers = "dropout";
  row.condition = "p = 1 | x finite";
  row.expectation = "signed zeros";
  row.exactness = "bitwise";
  row.evidence = "run on 1.13.1";
  row.versions = "all";
  row.impossible = std::move(impossible);
  return row;
}

/// passing_run with rows 1 to 4: `failing` fails, 3 cannot be asked, 4 was not.
RunRecord run_with_rows(int failing) {
  RunRecord run = passing_run();
  for (int n = 1; n <= 4; ++n) {
    const std::string id = "pytorch_semantics.row_" + std::to_string(n);
    run.header.checks.push_back(
        {id, "required", "row", "catches", "cannot see", row(n, n == 3 ? "needs a GPU" : "")});
    if (n == 4) continue;
    ResultRecord result;
    result.backend = run.header.backends[1].spec;
    result.check = id;
    result.level = "required";
    result.problem = "op=dropout,p=1,dtype=f32,shape=4";
    result.protocol = "row_1";
    result.verdict = n == 3 ? Verdict::unsupported : n == failing ? Verdict::fail : Verdict::pass;
    result.comparisons = n == 3 ? 0 : 4;
    result.message = n == failing ? "element 3 is 0 where -0 was expected" : "";
    if (n == 3) result.missing = "needs a GPU";
    run.results.push_back(result);
  }
  return run;
}

TEST(Conformance, TheReportHasALineForEachRowAndSaysWhyOthersWereNotJudged) {
  const std::string text = markdown_report(run_with_rows(2));
  EXPECT_THAT(text, HasSubstr("## Conformance to PyTorch, row by row"));
  EXPECT_THAT(text, HasSubstr("libtorch 1.13.1: 2 of 4 rows judged, 1 pass"));
  EXPECT_THAT(text, HasSubstr("not judged, needs a GPU: 3"));
  EXPECT_THAT(
      text,
      HasSubstr(
          "| 2 | dropout | p = 1 \\| x finite | signed zeros | bitwise | run on 1.13.1 | all | **FAIL** |"));
  EXPECT_THAT(text, HasSubstr("| all | n.a. |"));
  EXPECT_THAT(text, HasSubstr("| all | not run |"));
}

TEST(Conformance, ARunWithoutRowsHasNoSuchSection) {
  EXPECT_THAT(markdown_report(passing_run()), Not(HasSubstr("row by row")));
}

TEST(Conformance, ThePageListsWhereRunsDiffer) {
  const std::vector<RunRecord> runs = {run_with_rows(0), run_with_rows(2)};
  const auto page = conformance_page(runs, "dropcheck conformance a b");
  ASSERT_TRUE(page.has_value());
  EXPECT_THAT(*page, HasSubstr("over all of them: 2 of 4 rows judged"));
  EXPECT_THAT(*page, HasSubstr("- row 2 (dropout, p = 1 \\| x finite): libtorch 1.13.1 pass; libtorch 1.13.1 "
                               "**FAIL** (element 3 is 0 where -0 was expected)"));
  EXPECT_THAT(*page, Not(HasSubstr("- row 1 (")));
  const std::vector<RunRecord> same = {run_with_rows(0), run_with_rows(0)};
  EXPECT_THAT(*conformance_page(same, "x"), HasSubstr("## Where they differ\n\nNowhere."));
}

TEST(Conformance, RecordsWithoutRowsAreRefused) {
  const std::vector<RunRecord> runs = {passing_run()};
  const auto page = conformance_page(runs, "x");
  ASSERT_FALSE(page.has_value());
  EXPECT_THAT(page.error().message, HasSubstr("pytorch_semantics"));
}

TEST(Conformance, TheFingerprintOfEveryBackendIsShown) {
  RunRecord run = passing_run();
  ResultRecord result = run.results.back();
  result.check = kFingerprintCheck;
  result.message = "f32 x * fl(1/fl(q))";
  run.results.push_back(result);
  EXPECT_THAT(markdown_report(run), HasSubstr("## How kept values are rounded"));
  EXPECT_THAT(markdown_report(run), HasSubstr("libtorch 1.13.1: f32 x \\* fl(1/fl(q))"));
}

}  // namespace
}  // namespace dropcheck::reports
