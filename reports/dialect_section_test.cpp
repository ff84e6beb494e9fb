#include "reports/dialect_section.hpp"

#include <gmock/gmock.h>

#include "reports/jsonl.hpp"
#include "reports/jsonl_reader.hpp"
#include "reports/markdown.hpp"
#include "reports/summary.hpp"
#include "reports/test_records.hpp"

namespace dropcheck::reports {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

RunRecord run_under(const std::string& dialect, std::vector<DialectRule> rules) {
  RunRecord run = passing_run();
  run.header.dialect = dialect;
  run.header.dialect_rules = std::move(rules);
  return run;
}

const std::vector<DialectRule> kRules = {{"p = 1", "p = 1 is refused", "p = 1 is an error instead of zeros"},
                                         {"eval mode", "eval mode returns its input", ""}};

TEST(DialectSection, SaysWhatIsLetPassInEveryReport) {
  const RunRecord run = run_under("onnx-13", kRules);
  EXPECT_EQ(
      dialect_section(run.header),
      "## Dialect `onnx-13`\n\nOn 1 of 2 axes it lets pass what PyTorch would not do. Each axis is judged by "
      "the rule that stands here; nothing else is excused.\n\n"
      "| axis | what the dialect says | lets pass, unlike PyTorch |\n| --- | --- | --- |\n"
      "| p = 1 | p = 1 is refused | p = 1 is an error instead of zeros |\n"
      "| eval mode | eval mode returns its input |  |\n\n");
  EXPECT_THAT(markdown_report(run), HasSubstr(dialect_section(run.header)));
  EXPECT_THAT(console_summary(run, false),
              HasSubstr("\ndialect onnx-13: lets pass what PyTorch would not do on 1 of 2 axes: p = 1\n"));
}

TEST(DialectSection, SaysSoWhereADialectAllowsNothing) {
  const RunRecord run = run_under("own.toml", {{"p = 1", "p = 1 gives zeros", ""}});
  EXPECT_THAT(dialect_section(run.header), HasSubstr("It says what PyTorch's dialect says on all 1 axes."));
  EXPECT_THAT(console_summary(run, false), HasSubstr("\ndialect own.toml: as PyTorch on every axis\n"));
}

TEST(DialectSection, IsLeftOutUnderPytorchsAndWhereNothingIsKnown) {
  for (const RunRecord& run :
       {run_under("pytorch", {{"p = 1", "p = 1 gives zeros", ""}}), run_under("keras3", {})}) {
    EXPECT_EQ(dialect_section(run.header), "");
    EXPECT_EQ(dialect_line(run.header), "");
    EXPECT_THAT(markdown_report(run), Not(HasSubstr("## Dialect")));
  }
  // A file that calls a lenient dialect "pytorch" cannot hide it.
  EXPECT_THAT(dialect_section(run_under("pytorch", kRules).header), HasSubstr("On 1 of 2 axes"));
}

TEST(DialectSection, HostileTextAndManyRulesDoNoHarm) {
  const RunRecord run =
      run_under("x\x1b[2J`\n# forged", std::vector<DialectRule>(1000, {"a|b\n", "<b>", "\x1b[31m"}));
  EXPECT_LT(dialect_section(run.header).size(), 20000u);
  EXPECT_EQ(dialect_section(run.header).find('\x1b'), std::string::npos);
  EXPECT_EQ(dialect_section(run.header).find("\n# forged"), std::string::npos);
  EXPECT_EQ(dialect_line(run.header).find('\x1b'), std::string::npos);
  EXPECT_EQ(dialect_line(run.header).find('\n'), dialect_line(run.header).size() - 1);
}

std::string text_of(const RunRecord& run) {
  return header_line(run.header) + "\n" + footer_line(run.footer) + "\n";
}

TEST(DialectRules, ReadBackAsTheyWereAndMayBeMissing) {
  const RunRecord run = run_under("onnx-13", kRules);
  const auto read = parse_results(text_of(run));
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->header.dialect_rules.size(), 2u);
  EXPECT_EQ(read->header.dialect_rules[0].axis, "p = 1");
  EXPECT_EQ(read->header.dialect_rules[0].value, "p = 1 is refused");
  EXPECT_EQ(read->header.dialect_rules[0].allows, "p = 1 is an error instead of zeros");
  EXPECT_EQ(read->header.dialect_rules[1].allows, "");
  std::string older = text_of(run_under("pytorch", {}));
  const std::string member = "\"dialect_rules\":[],";
  ASSERT_NE(older.find(member), std::string::npos);
  older.erase(older.find(member), member.size());
  EXPECT_TRUE(parse_results(older)) << "files of version 1.2 have none";
}

TEST(DialectRules, WrongTypesAreNamed) {
  for (const auto& [from, to, message] :
       {std::tuple{"\"dialect_rules\":[", "\"dialect_rules\":\"x\",\"y\":[", "dialect_rules"},
        {"{\"axis\":\"p = 1\"", "{\"axis\":1", "axis"},
        {"\"allows\":\"\"", "\"allowed\":\"\"", "allows"},
        {"\"value\":\"p = 1 is refused\"", "\"value\":null", "value"}}) {
    std::string text = text_of(run_under("onnx-13", kRules));
    ASSERT_NE(text.find(from), std::string::npos) << from;
    text.replace(text.find(from), std::string_view(from).size(), to);
    const auto read = parse_results(text);
    ASSERT_FALSE(read) << from;
    EXPECT_THAT(read.error().message, HasSubstr(message));
  }
}

}  // namespace
}  // namespace dropcheck::reports
