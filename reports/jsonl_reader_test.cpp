#include "reports/jsonl_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "reports/jsonl.hpp"
#include "reports/test_records.hpp"

namespace dropcheck::reports {
namespace {

using ::testing::HasSubstr;

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  if (at == std::string::npos) {
    ADD_FAILURE() << "the results hold no " << from;
    return text;
  }
  return text.replace(at, from.size(), to);
}

std::string refusal_of(std::string_view text) {
  const auto read = parse_results(text);
  return read ? "accepted" : read.error().message;
}

TEST(JsonlReader, UnknownKeysAreIgnored) {
  std::string text = replaced(results_text(failing_run()), "{\"record\":\"header\",",
                              "{\"record\":\"header\",\"new\":{\"a\":[1]},");
  text = replaced(text, "{\"record\":\"result\",", "{\"record\":\"result\",\"new\":null,");
  const auto read = parse_results(text);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(results_text(*read), results_text(failing_run()));
}

TEST(JsonlReader, RecordsOfANewerMinorVersionAreIgnored) {
  const std::string record = "\n{\"record\":\"news\"}\n{\"record\":\"environment\"";
  const std::string text = replaced(results_text(failing_run()), "\n{\"record\":\"environment\"", record);
  EXPECT_THAT(refusal_of(text), HasSubstr("is a record of an unknown kind"));
  EXPECT_EQ(refusal_of(replaced(text, "\"minor\":3", "\"minor\":4")), "accepted");
}

TEST(JsonlReader, RowsOfAChecklistAndFormsReadBackAsTheyWere) {
  RunRecord run = passing_run();
  run.header.backends[0].capabilities.forms = {"native_dropout", "module"};
  run.header.backends[0].capabilities.conforms_to = "pytorch";
  DialectRow row;
  row.number = 107;
  row.layers = "CPU generator";
  row.condition = "set_offset";
  row.expectation = "an error";
  row.exactness = "error text";
  row.evidence = "read in the source";
  row.versions = "2.13";
  row.impossible = "needs the Python front end";
  run.header.checks[0].row = row;
  const auto read = parse_results(results_text(run));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->header.backends[0].capabilities.forms, run.header.backends[0].capabilities.forms);
  EXPECT_EQ(read->header.backends[0].capabilities.conforms_to, "pytorch");
  ASSERT_TRUE(read->header.checks[0].row.has_value());
  const DialectRow& back = *read->header.checks[0].row;
  EXPECT_EQ(back.number, row.number);
  EXPECT_EQ(back.layers, row.layers);
  EXPECT_EQ(back.condition, row.condition);
  EXPECT_EQ(back.expectation, row.expectation);
  EXPECT_EQ(back.exactness, row.exactness);
  EXPECT_EQ(back.evidence, row.evidence);
  EXPECT_EQ(back.versions, row.versions);
  EXPECT_EQ(back.impossible, row.impossible);
  EXPECT_FALSE(read->header.checks[1].row.has_value());
}

TEST(JsonlReader, FilesOfMinorVersionZeroAreRead) {
  const std::string text = results_text(failing_run());
  const auto read = parse_results(replaced(text, "\"minor\":3", "\"minor\":0"));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_TRUE(read->rejections.empty());
  EXPECT_EQ(results_text(*read), text);
}

TEST(JsonlReader, WrongTypesOfStagesRejectionsAndIncidentsAreNamed) {
  const std::string text = results_text(staged_run());
  struct Case {
    const char* from;
    const char* to;
    const char* said;
  };
  const Case cases[] = {
      {"\"cell\":3", "\"cell\":-3", "'stages[3].statistics[0].cell' is no integer"},
      {"\"cell\":3", "\"cell\":\"18446744073709551616\"", "'stages[3].statistics[0].cell' is no integer"},
      {"\"outcome\":\"fail\",\"statistics\":[", "\"outcome\":\"fail\",\"statistics\":[1,",
       "'stages[2].statistics' is no list of objects"},
      {"\"outcome\":\"fail\",\"statistics\":[", "\"outcome\":\"fail\",\"statistics\":7,\"x\":[",
       "'stages[2].statistics' is no list of objects"},
      {"\"detectable\":{\"value\":0.0101,", "\"detectable\":{", "'detectable.value' is missing"},
      {"\"detectable\":{", "\"detectable\":[],\"x\":{", "'detectable' is no object"},
      {"\"required_effect\":0.012", "\"required_effect\":null", "'required_effect' is no number"},
      {"\"effective_p\":0.1015625", "\"effective_p\":\"0.1\"", "'effective_p' is no number"},
      {"\"hypotheses\":5000", "\"hypotheses\":0.5", "'hypotheses' is no integer"},
      {"\"hypotheses\":5000,", "", "'hypotheses' is missing"},
      {"\"rejected\":[", "\"rejected\":[[],", "'rejected' is no list of objects"},
      {"\"statistic\":\"lag 4\",", "", "'rejected[0].statistic' is missing"},
      {"\"share\":2.5e-06", "\"share\":{}", "'rejected[0].share' is no number"},
      {"\"texts\":[", "\"texts\":[7,", "'texts' is no list of strings"},
      {"\"texts\":[", "\"texts\":{},\"x\":[", "'texts' is no list of strings"},
      {"{\"record\":\"incidents\",\"backend\"", "{\"record\":\"incidents\",\"x\"", "'backend' is missing"},
  };
  for (const auto& c : cases)
    EXPECT_THAT(refusal_of(replaced(text, c.from, c.to)), HasSubstr(c.said)) << c.from << " -> " << c.to;
}

TEST(JsonlReader, OtherSchemasAndMajorVersionsAreRefused) {
  const std::string text = results_text(passing_run());
  EXPECT_THAT(refusal_of(replaced(text, "dropcheck.results", "other.results")),
              HasSubstr("line 1 names another schema"));
  EXPECT_THAT(refusal_of(replaced(text, "\"major\":1", "\"major\":2")),
              HasSubstr("has schema version 2.3, but"));
  EXPECT_THAT(refusal_of(replaced(text, "\"major\":1", "\"major\":\"x\"")), HasSubstr("'schema.major'"));
}

TEST(JsonlReader, EveryTruncationIsRefused) {
  const std::string text = results_text(failing_run());
  for (std::size_t size = 0; size + 2 < text.size();
       size += size < 100 || size + 100 > text.size() ? 1 : 37) {
    const std::string said = refusal_of(std::string_view(text).substr(0, size));
    EXPECT_THAT(said,
                testing::AnyOf(HasSubstr("has no footer: the run did not finish writing it; run it again"),
                               HasSubstr("has no header")))
        << size;
  }
  EXPECT_EQ(refusal_of(std::string_view(text).substr(0, text.size() - 1)), "accepted");
}

TEST(JsonlReader, TextAfterTheFooterIsRefused) {
  const std::string text = results_text(passing_run());
  EXPECT_THAT(refusal_of(text + "x"), HasSubstr("stands after the footer"));
  EXPECT_THAT(refusal_of(text + text), HasSubstr("line 8 stands after the footer"));
  EXPECT_EQ(refusal_of(text + "\n  \n"), "accepted");
}

TEST(JsonlReader, FieldsOfTheWrongTypeAreNamedWithTheirLine) {
  const std::string text = results_text(failing_run());
  const struct {
    std::string from, to, said;
  } cases[] = {
      {"\"master_seed\":\"0x5eed\"", "\"master_seed\":24301",
       "line 1 cannot be read: field 'master_seed' is no seed"},
      {"\"master_seed\":\"0x5eed\"", "\"master_seed\":\"0x\"", "is no seed"},
      {"\"master_seed\":\"0x5eed\"", "\"master_seed\":\"0x10000000000000000\"", "is no seed"},
      {"\"alpha\":1e-06", "\"alpha\":\"1e-06\"", "'alpha' is no number"},
      {"\"seed_bits\":64", "\"seed_bits\":-1", "'backends[0].capabilities.seed_bits'"},
      {"\"seed_bits\":64", "\"seed_bits\":4294967296", "'backends[0].capabilities.seed_bits' is too large"},
      {"\"dtypes\":[\"f64\"", "\"dtypes\":[\"f63\"", "'backends[0].capabilities.dtypes' holds a word"},
      {"\"dtypes\":[\"f64\"", "\"dtypes\":[64", "is no list of strings"},
      {"\"backward\":true", "\"backward\":1", "is neither true nor false"},
      {"\"checks\":[", "\"checks\":[7,", "'checks' is no list of objects"},
      {"\"comparisons\":1000", "\"comparisons\":1000.5", "line 2 cannot be read: field 'comparisons'"},
      {"\"comparisons\":1000", "\"comparisons\":\"18446744073709551616\"", "'comparisons' is no integer"},
      {"\"verdict\":\"pass\"", "\"verdict\":\"passed\"", "'verdict' holds a word"},
      {"\"n\":1048576", "\"n\":[1,[2]]", "'statistics[0].counts' has a member that is no integer"},
      {"\"n\":1048576", "\"n\":\"170141183460469231731687303715884105728\"", "'statistics[0].counts'"},
      {"\"n\":1048576", "\"n\":\"\"", "'statistics[0].counts'"},
      {"\"p\":0.1", "\"p\":\"many\"", "'statistics[0].null.parameters' has a member that is no number"},
      {"\"effect\":{", "\"effect\":0,\"x\":{", "'statistics[0].effect' is no object"},
      {"\"p_value\":0.43,", "", "'statistics[0].p_value' is missing"},
      {"\"stages\":[", "\"stages\":[{},", "'stages[0].stage' is missing"},
      {"\"facts\":{", "\"facts\":{\"n\":1,", "'facts' has a member that is no string"},
      {"\"exit_code\":1", "\"exit_code\":256", "'exit_code' is no exit code"},
      {"\"complete\":true", "\"complete\":\"yes\"", "'complete' is neither"},
      {"{\"record\":\"result\"", "{\"record\":7", "field 'record' is no string"},
      {"{\"record\":\"result\"", "{\"record\":\"header\"", "line 2 is a second header"},
      {"{\"record\":\"result\"", "[{\"record\":\"result\"", "line 2 is no JSON object"},
      {"\"p_value\":0.43", "\"p_value\":1e999", "line 2 is no JSON object"},
      {"\"level\":\"required\",\"case\"", "\"level\":\"\xFF\",\"case\"", "line 2 is no JSON object"},
  };
  for (const auto& c : cases)
    EXPECT_THAT(refusal_of(replaced(text, c.from, c.to)), HasSubstr(c.said)) << c.from << " -> " << c.to;
}

TEST(JsonlReader, HostileTextIsRefusedWithoutHarm) {
  const std::string header = header_line(passing_run().header) + "\n";
  const std::string deep(1 << 20, '[');
  std::string deep_objects;
  for (int i = 0; i < 100000; ++i) deep_objects += "{\"a\":";
  const std::string hostile[] = {
      "",
      "\n",
      "null",
      "[]",
      "{}",
      "0",
      "\"\"",
      "{\"record\":",
      deep,
      deep_objects,
      header + deep + "\n",
      header + deep_objects + "\n",
      header + "\xFE\xFF\n",
      header + std::string(3, '\0') + "\n",
      header + "{}\n",
      header + "\n",
      header + header,
      header + "{\"record\":\"result\"}\n",
      header + "{\"record\":\"footer\",\"verdict\":\"pass\"}\n",
      "\xEF\xBB\xBF" + header,
      header +
          "{\"record\":\"footer\",\"verdict\":\"pass\",\"counts\":[],\"exit_code\":0,\"complete\":true}\n",
      header + "\"" + std::string(1000, '\\'),
  };
  for (const std::string& text : hostile) {
    const auto read = parse_results(text);
    ASSERT_FALSE(read) << text.substr(0, 60);
    EXPECT_FALSE(read.error().message.empty());
    EXPECT_EQ(read.error().message.find('\n'), std::string::npos);
  }
  EXPECT_THAT(refusal_of(header + deep + "\n"), HasSubstr("line 2 is nested deeper than 64 levels"));
  EXPECT_THAT(refusal_of(header + "[" + std::string(5 << 20, ',')),
              HasSubstr("holds more than 4194304 values"));
}

TEST(JsonlReader, LinesOverTheLimitAreRefused) {
  const std::string line(std::size_t{65} << 20, ' ');
  EXPECT_THAT(refusal_of(header_line(passing_run().header) + "\n{" + line + "}\n"),
              HasSubstr("is longer than 64 MiB"));
}

TEST(JsonlReader, FilesAreReadAsTextIs) {
  const std::string path = testing::TempDir() + "dropcheck_reader_test.jsonl";
  const std::string text = results_text(large_run(6000, 3));  // more than one read
  std::ofstream(path, std::ios::binary) << text;
  const auto read = read_results(path);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(results_text(*read), text);
  std::ofstream(path, std::ios::binary) << text.substr(0, text.size() / 2);
  const auto cut = read_results(path);
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().message, path + " has no footer: the run did not finish writing it; run it again");
  std::filesystem::remove(path);
}

TEST(JsonlReader, UnreadableFilesAreIoErrors) {
  for (const std::string path : {"/nowhere/results.jsonl", "/"}) {
    const auto read = read_results(path);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, ErrorCode::io);
    EXPECT_THAT(read.error().message, HasSubstr(path));
  }
}

}  // namespace
}  // namespace dropcheck::reports
