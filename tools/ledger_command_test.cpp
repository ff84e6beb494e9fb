// `dropcheck ledger FILE`: what it prints and its exit code.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "harness/run/ledger.hpp"
#include "tools/commands.hpp"

namespace dropcheck::tools {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

struct Outcome {
  ExitCode code;
  std::string out, err;
};

class LedgerCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "dropcheck-ledger-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    path_ = (folder_ / "nights.json").string();
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  /// One run of a backend that dropped x of n entries at p = 0.1.
  void night(std::uint64_t n, std::uint64_t x, const std::string& version = "1.0") {
    RunHeader header;
    header.plan_hash = "abc";
    header.master_seed = ++seed_;
    header.dialect = "pytorch";
    header.backends.resize(1);
    header.backends[0].spec = "plugin:./lib\x1b[31m.so";
    header.backends[0].capabilities.name = "lib";
    header.backends[0].capabilities.version = version;
    Statistic s;
    s.id = "S1";
    s.name = "drop rate";
    s.counts = {{"n", {n}}, {"x", {x}}};
    s.null_parameters = {{"p", 0.1}};
    ResultRecord result;
    result.backend = header.backends[0].spec;
    result.check = "mask_rate.drop_rate";
    result.problem = "op=dropout,p=0.1,shape=1024x1024";
    result.verdict = Verdict::pass;
    result.statistics = {s};
    auto ledger = Ledger::open(path_);
    ASSERT_TRUE(ledger) << ledger.error().message;
    ledger->add(header, result);
    ASSERT_TRUE(ledger->save());
  }

  Outcome shown(bool json = false) const {
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const ExitCode code = ledger_command(path_, json);
    std::fflush(stdout);
    const std::string out = ::testing::internal::GetCapturedStdout();
    return {code, out, ::testing::internal::GetCapturedStderr()};
  }

  fs::path folder_;
  std::string path_;
  std::uint64_t seed_ = 0;
};

TEST_F(LedgerCommand, ShowsTheEvidenceOfManyRuns) {
  night(1000000, 100100);
  night(1000000, 99950);
  const Outcome outcome = shown();
  EXPECT_EQ(outcome.code, ExitCode::pass);
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, HasSubstr("2 runs, 1 hypothesis; false-alarm budget 1e-06 over its whole life"));
  EXPECT_THAT(outcome.out, HasSubstr(", version 1.0, on cpu\n"));
  EXPECT_THAT(outcome.out, HasSubstr("0.100025 [0.09"));
  EXPECT_THAT(outcome.out, HasSubstr("2000000"));
  EXPECT_THAT(outcome.out,
              HasSubstr("mask_rate.drop_rate | drop rate | op=dropout,p=0.1,shape=1024x1024 (p = 0.1)"));
  EXPECT_THAT(outcome.out, HasSubstr("pass"));
  EXPECT_THAT(outcome.out, HasSubstr("\nno alarm\n"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("\x1b"))) << "a name must not reach the terminal as it is";
}

TEST_F(LedgerCommand, ExitsWithOneOnAnAlarm) {
  night(1000000, 100100);
  night(1000000, 104000);
  const Outcome outcome = shown();
  EXPECT_EQ(outcome.code, ExitCode::fail);
  EXPECT_THAT(outcome.out, HasSubstr("drops 0.10205 ["));
  EXPECT_THAT(outcome.out, HasSubstr("of 2000000 entries where p = 0.1"));
  EXPECT_THAT(outcome.out, HasSubstr("2 nights; first seen after run 2"));
  EXPECT_THAT(outcome.out, HasSubstr("ALARM: a backend above is wrong"));
}

TEST_F(LedgerCommand, KeepsEarlierVersionsAsHistory) {
  night(1000000, 104000, "1.0");
  night(1000000, 100000, "2.0");
  const Outcome outcome = shown();
  EXPECT_EQ(outcome.code, ExitCode::pass);
  EXPECT_THAT(outcome.out, HasSubstr("history: earlier versions"));
  EXPECT_THAT(outcome.out, HasSubstr("version 1.0, on cpu: 1 hypothesis, 1 alarm, highest ln E"));
  EXPECT_THAT(outcome.out, HasSubstr("no alarm"));
}

TEST_F(LedgerCommand, WritesJsonForScripts) {
  night(1000000, 104000, "1.0");
  night(1000000, 100000, "2.0");
  const Outcome outcome = shown(true);
  EXPECT_EQ(outcome.code, ExitCode::pass);
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json.at("runs"), 2);
  EXPECT_EQ(json.at("alarm"), false);
  ASSERT_EQ(json.at("hypotheses").size(), 2u);
  const auto& old = json.at("hypotheses")[0];
  EXPECT_EQ(old.at("current"), false);
  EXPECT_EQ(old.at("verdict"), "alarm");
  EXPECT_EQ(old.at("first_alarm").at("run"), 1);
  const auto& now = json.at("hypotheses")[1];
  EXPECT_EQ(now.at("n"), 1000000);
  EXPECT_EQ(now.at("nights"), 1);
  EXPECT_EQ(now.at("estimate"), 0.1);
  EXPECT_EQ(now.at("verdict"), "pass");
  EXPECT_LT(now.at("ln_e").get<double>(), now.at("ln_threshold").get<double>());
}

TEST_F(LedgerCommand, SaysThatNothingIsThereYet) {
  ASSERT_TRUE(Ledger::open(path_)->save());
  const Outcome outcome = shown();
  EXPECT_EQ(outcome.code, ExitCode::pass);
  EXPECT_THAT(outcome.out, HasSubstr("0 runs, 0 hypotheses"));
  EXPECT_THAT(outcome.out, HasSubstr("nothing counted yet"));
}

TEST_F(LedgerCommand, RefusesAFileThatIsNoLedger) {
  for (const char* text : {"", "{}\n", "{\"schema\""}) {
    std::ofstream(path_, std::ios::binary) << text;
    const Outcome outcome = shown();
    EXPECT_EQ(outcome.code, ExitCode::usage);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr("nights.json"));
  }
  fs::remove(path_);
  EXPECT_EQ(shown().code, ExitCode::usage);
  EXPECT_FALSE(fs::exists(path_)) << "looking makes no file";
}

}  // namespace
}  // namespace dropcheck::tools
