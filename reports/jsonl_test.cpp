#include "reports/jsonl.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "reports/jsonl_reader.hpp"
#include "reports/test_records.hpp"

namespace dropcheck::reports {
namespace {

constexpr Int128 kMax128 = (((Int128{1} << 126) - 1) << 1) + 1;

RunRecord extreme_run() {
  RunRecord run = failing_run();
  run.header.master_seed = std::numeric_limits<std::uint64_t>::max();
  Statistic& s = run.results.front().statistics.front();
  s.counts = {{"n", {kMax128}},
              {"low", {-kMax128 - 1}},
              {"list", {Int128{1} << 53, (Int128{1} << 53) + 1, -(Int128{1} << 53) - 1, 0}},
              {"none", {}}};
  s.null_parameters = {{"nan", std::nan("")}, {"tiny", 5e-324}, {"third", 1.0 / 3}};
  s.value = std::numeric_limits<double>::infinity();
  s.log10_p = -std::numeric_limits<double>::infinity();
  s.p_value = std::nan("");
  s.effect->lower.reset();
  run.results.front().comparisons = std::numeric_limits<std::uint64_t>::max();
  run.results.front().message = "line\nbreak, \"quotes\", \x01, \xE2\x88\x9E";
  return run;
}

TEST(Jsonl, RoundTripKeepsEveryPrintedField) {
  for (const RunRecord& run :
       {passing_run(), failing_run(), staged_run(), large_run(10, 10), extreme_run()}) {
    const std::string text = results_text(run);
    const auto read = parse_results(text);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(results_text(*read), text);
  }
}

TEST(Jsonl, RoundTripKeepsExtremeNumbers) {
  const RunRecord run = extreme_run();
  const auto read = parse_results(results_text(run));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->header.master_seed, run.header.master_seed);
  const ResultRecord& result = read->results.front();
  EXPECT_EQ(result.comparisons, run.results.front().comparisons);
  EXPECT_EQ(result.message, run.results.front().message);
  const Statistic& s = result.statistics.front();
  EXPECT_TRUE(s.counts == run.results.front().statistics.front().counts);
  EXPECT_TRUE(std::isnan(s.p_value));
  EXPECT_EQ(s.value, std::numeric_limits<double>::infinity());
  EXPECT_EQ(s.log10_p, -std::numeric_limits<double>::infinity());
  EXPECT_EQ(s.null_parameters[1].second, 5e-324);
  EXPECT_EQ(s.null_parameters[2].second, 1.0 / 3);
  EXPECT_FALSE(s.effect->lower);
  EXPECT_EQ(s.effect->upper, 0.002);
}

TEST(Jsonl, RoundTripKeepsVerdictsCountsAndMachine) {
  const RunRecord run = failing_run();
  const auto read = parse_results(results_text(run));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->footer.verdict, Verdict::fail);
  EXPECT_EQ(read->footer.exit_code, 1);
  EXPECT_TRUE(read->footer.complete);
  EXPECT_EQ(read->footer.counts, run.footer.counts);
  EXPECT_EQ(read->environment, run.environment);
  EXPECT_EQ(read->header.backends[1].capabilities.dtypes, run.header.backends[1].capabilities.dtypes);
  EXPECT_EQ(read->results[4].missing, "dtype f16");
  EXPECT_EQ(read->results[2].stages[0].mask_entries, 1u << 20);
}

TEST(Jsonl, RoundTripKeepsStagesPowerAndRejections) {
  RunRecord run = staged_run();
  run.results[1].stages[3].statistics[0].cell = std::numeric_limits<std::uint64_t>::max();
  run.results[2].detectable->value = std::numeric_limits<double>::infinity();
  run.results[2].required_effect = std::nan("");
  run.rejections[0].hypotheses = std::numeric_limits<std::uint64_t>::max();
  run.rejections[0].rejected[1].log10_p = -std::numeric_limits<double>::infinity();
  run.rejections.push_back({"other", 0, {}});
  const auto read = parse_results(results_text(run));
  ASSERT_TRUE(read) << read.error().message;
  const ResultRecord& confirmed = read->results[0];
  ASSERT_EQ(confirmed.stages.size(), 3u);
  EXPECT_EQ(confirmed.stages[0].outcome, "suspicious");
  EXPECT_TRUE(confirmed.stages[1].statistics.empty());
  ASSERT_EQ(confirmed.stages[2].statistics.size(), 1u);
  EXPECT_EQ(confirmed.stages[2].statistics[0].name, "lag 4");
  EXPECT_EQ(confirmed.stages[2].statistics[0].p_value, 1.25e-20);
  EXPECT_FALSE(confirmed.stages[2].statistics[0].cell);
  EXPECT_EQ(confirmed.detectable->value, 0.0101);
  EXPECT_EQ(confirmed.detectable->unit, "correlation between entries");
  EXPECT_EQ(confirmed.detectable->power, 1 - 1e-6);
  EXPECT_EQ(confirmed.required_effect, 0.012);
  EXPECT_EQ(confirmed.effective_p, 0.1015625);
  EXPECT_EQ(read->results[1].stages[3].statistics[0].cell, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(read->results[2].detectable->value, std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(*read->results[2].required_effect));
  EXPECT_FALSE(read->results[3].effective_p);
  ASSERT_EQ(read->rejections.size(), 2u);
  EXPECT_EQ(read->rejections[0].backend, "mutant:threshold8");
  EXPECT_EQ(read->rejections[0].hypotheses, std::numeric_limits<std::uint64_t>::max());
  ASSERT_EQ(read->rejections[0].rejected.size(), 22u);
  EXPECT_EQ(read->rejections[0].rejected[0].problem, run.results[0].problem);
  EXPECT_EQ(read->rejections[0].rejected[0].share, 2.5e-6);
  EXPECT_EQ(read->rejections[0].rejected[1].log10_p, -std::numeric_limits<double>::infinity());
  EXPECT_EQ(results_text(*read), results_text(run));
}

TEST(Jsonl, IncidentsStandBeforeTheEnvironment) {
  const RunRecord run = staged_run();
  const std::string text = results_text(run);
  EXPECT_LT(text.find("\n{\"record\":\"rejections\""), text.find("\n{\"record\":\"incidents\""));
  EXPECT_LT(text.find("\n{\"record\":\"incidents\""), text.find("\n{\"record\":\"environment\""));
  const auto read = parse_results(text);
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->incidents.size(), 1u);
  EXPECT_EQ(read->incidents[0].backend, "mutant:threshold8");
  EXPECT_EQ(read->incidents[0].texts, run.incidents[0].texts);
}

TEST(Jsonl, WhatHasNothingToSayIsLeftOut) {
  const std::string line = result_line(failing_run().results[0]);
  for (const char* key : {"\"cell\"", "\"detectable\"", "\"required_effect\"", "\"effective_p\""})
    EXPECT_EQ(line.find(key), std::string::npos) << key;
  EXPECT_NE(line.find("\"outcome\":\"pass\"}"), std::string::npos) << line;
}

TEST(Jsonl, IntegersAboveWhatDoublesHoldAreStrings) {
  const std::string line = result_line(extreme_run().results.front());
  EXPECT_NE(line.find("\"n\":\"170141183460469231731687303715884105727\""), std::string::npos) << line;
  EXPECT_NE(line.find("\"list\":[9007199254740992,\"9007199254740993\",\"-9007199254740993\",0]"),
            std::string::npos);
  EXPECT_NE(header_line(extreme_run().header).find("\"master_seed\":\"0xffffffffffffffff\""),
            std::string::npos);
}

TEST(Jsonl, EveryRecordIsOneLine) {
  RunRecord run = failing_run();
  run.results.front().message = "two\nlines";
  EXPECT_EQ(result_line(run.results.front()).find('\n'), std::string::npos);
}

TEST(Jsonl, TextThatIsNotUtf8IsReplacedNotThrown) {
  RunRecord run = passing_run();
  run.header.backends[0].spec = "exec:\xFF\xC0 run";
  run.results.front().message = std::string("\xED\xA0\x80 end \x80");
  run.environment.emplace_back("na\xFFme", "va\xFFlue");
  const auto read = parse_results(results_text(run));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_NE(read->header.backends[0].spec.find("\xEF\xBF\xBD"), std::string::npos);
}

TEST(Jsonl, EmptyRecordsRoundTrip) {
  const auto read = parse_results(results_text(RunRecord{}));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_TRUE(read->results.empty());
  EXPECT_FALSE(read->footer.complete);
}

}  // namespace
}  // namespace dropcheck::reports
