#include "reports/junit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <vector>

#include "reports/test_records.hpp"

namespace dropcheck::reports {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// What breaks the tag structure, or empty. Enough for documents without comments and CDATA.
std::string xml_fault(std::string_view text) {
  std::vector<std::string> open;
  for (std::size_t at; (at = text.find('<')) != std::string_view::npos;) {
    const std::string_view before = text.substr(0, at);
    if (before.find('>') != std::string_view::npos) return "a stray >";
    const std::size_t end = text.find('>', at);
    if (end == std::string_view::npos) return "an open tag";
    std::string_view tag = text.substr(at + 1, end - at - 1);
    text.remove_prefix(end + 1);
    if (tag.starts_with('?')) continue;
    if (tag.find('<') != std::string_view::npos) return "< inside a tag";
    const bool closing = tag.starts_with('/');
    const bool empty = tag.ends_with('/');
    if (closing) tag.remove_prefix(1);
    const std::string name(tag.substr(0, tag.find_first_of(" /")));
    if (closing) {
      if (open.empty() || open.back() != name) return "</" + name + "> closes nothing";
      open.pop_back();
    } else {
      std::size_t quotes = 0;
      for (const char c : tag) quotes += c == '"' ? 1 : 0;
      if (quotes % 2 != 0) return "quotes of " + name;
      if (!empty) open.push_back(name);
    }
  }
  return open.empty() ? "" : "open " + open.back();
}

TEST(JunitReport, FailingRunMatchesTheGoldenFile) {
  expect_golden(junit_report(failing_run()), "failing.xml");
}

TEST(JunitReport, StagedRunMatchesTheGoldenFile) { expect_golden(junit_report(staged_run()), "staged.xml"); }

TEST(JunitReport, FailuresTellTheirStages) {
  const std::string text = junit_report(staged_run());
  EXPECT_THAT(text,
              HasSubstr("in the first sample&#10;stage 1: 1048576 mask entries: suspicious; S6 lag 4: "
                        "p-value 2e-06, fails at 2.5e-10"
                        "&#10;stage 1: 1048576 mask entries: reproduced"
                        "&#10;stage 2: 8388608 mask entries: fail; S6 lag 4: p-value 1.25e-20, fails at "
                        "2.5e-06&#10;dropcheck run "));
  EXPECT_THAT(text, HasSubstr("type=\"inconclusive\">suspicious, not pursued: lag 4"));
  EXPECT_THAT(text, HasSubstr("<property name=\"required effect\" value=\"0.0001\"/>"));
  EXPECT_THAT(junit_report(failing_run()), Not(HasSubstr("stage 1")));
  EXPECT_EQ(xml_fault(text), "");
}

TEST(JunitReport, IsWellFormed) {
  EXPECT_EQ(xml_fault("<a><b c=\"d\"/></a>"), "");
  EXPECT_NE(xml_fault("<a><b></a>"), "");
  EXPECT_EQ(xml_fault(junit_report(failing_run())), "");
  RunRecord run = failing_run();
  run.results[2].message = std::string("]]> <b> \" ' & \0 \x1b \xFF", 19);
  run.results[2].problem = "\"<&>";
  run.results[2].backend = run.header.backends[1].spec = "exec:echo '<x>' & \"y\"";
  EXPECT_EQ(xml_fault(junit_report(run)), "");
}

TEST(JunitReport, CountsAgreeOnBothLevels) {
  const std::string text = junit_report(failing_run());
  EXPECT_THAT(
      text,
      HasSubstr("<testsuites name=\"dropcheck\" tests=\"7\" failures=\"2\" errors=\"0\" skipped=\"3\">"));
  EXPECT_THAT(
      text,
      HasSubstr("<testsuite name=\"reference\" tests=\"2\" failures=\"0\" errors=\"0\" skipped=\"0\">"));
  EXPECT_THAT(
      text,
      HasSubstr("<testsuite name=\"mutant:swapped\" tests=\"5\" failures=\"2\" errors=\"0\" skipped=\"3\">"));
}

TEST(JunitReport, InconclusiveIsAnError) {
  RunRecord run = passing_run();
  run.results[0].verdict = Verdict::inconclusive;
  EXPECT_THAT(junit_report(run), HasSubstr("type=\"inconclusive\""));
  EXPECT_THAT(junit_report(run), HasSubstr("tests=\"4\" failures=\"0\" errors=\"1\" skipped=\"0\""));
}

TEST(JunitReport, NamesAreUnique) {
  RunRecord run = passing_run();
  for (int i = 0; i < 3; ++i) run.results.push_back(run.results[0]);
  run.results.back().problem += " [stream] #2";
  const std::string text = junit_report(run);
  EXPECT_THAT(text, HasSubstr("[stream] #2\""));
  EXPECT_THAT(text, HasSubstr("[stream] #3\""));
}

TEST(JunitReport, UnopenedBackendsAndUnfinishedRunsAreErrors) {
  RunRecord run = passing_run();
  run.header.backends.push_back({"plugin:x", {}, "no file"});
  run.footer.complete = false;
  const std::string text = junit_report(run);
  EXPECT_THAT(text, HasSubstr("<error message=\"no file\" type=\"backend\"/>"));
  EXPECT_THAT(text, HasSubstr("type=\"incomplete\""));
  EXPECT_THAT(text, HasSubstr("tests=\"6\" failures=\"0\" errors=\"2\" skipped=\"0\""));
  EXPECT_EQ(xml_fault(text), "");
}

}  // namespace
}  // namespace dropcheck::reports
