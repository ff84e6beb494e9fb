// A mutant that stands in no table, as the command line judges it: `dropcheck run --backend=plugin:FILE`,
// with no word to any check that it is wrong or how.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <set>

#include "tools/testing/program.hpp"

namespace dropcheck::tools {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

constexpr const char* kFindsIt = "channel_correlation.lags";  // neighbours that agree too often

/// A whole run of a profile against a plugin that lies in the folder of the run.
struct Judged {
  Ran ran;                       // standard output and error together
  std::set<std::string> failed;  // checks
  std::uint64_t passed = 0;      // results
  std::string message, repro;    // of the failure of kFindsIt
  std::string report;
};

Judged judged(const std::string& config) {
  const TemporaryFolder folder;
  Judged j;
  j.ran = ran(
      fmt::format("cd '{}' && cp '{}' fresh.so && '{}' run '--backend=plugin:./fresh.so{}' --profile=quick "
                  "--out=out 2>&1 </dev/null",
                  folder.path().string(), DROPCHECK_FRESH_PLUGIN, DROPCHECK_PROGRAM, config));
  std::istringstream lines(text_of(folder.path() / "out" / "results.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const Json record = Json::parse(line);
    if (record.at("record") != "result") continue;
    const std::string check = record.at("check"), verdict = record.at("verdict");
    if (verdict == "pass") ++j.passed;
    if (verdict != "fail") continue;
    j.failed.insert(check);
    if (check == kFindsIt && j.message.empty())
      j.message = record.value("message", ""), j.repro = record.value("repro", "");
  }
  j.report = text_of(folder.path() / "out" / "report.md");
  return j;
}

TEST(FreshMutant, IsFoundByTheProfileQuickAsItIs) {
  const Judged j = judged("");
  EXPECT_EQ(j.ran.code, 1) << j.ran.out;
  EXPECT_THAT(j.failed, Contains(kFindsIt)) << j.ran.out;
  EXPECT_THAT(j.ran.out, HasSubstr(kFindsIt));
  EXPECT_THAT(j.report, HasSubstr(kFindsIt));
  EXPECT_THAT(j.message, HasSubstr("entries 1 apart are dropped together"));
  EXPECT_THAT(j.repro, HasSubstr(fmt::format("--check={}", kFindsIt)));
  // What is right about it is not blamed.
  for (const char* exact : {"unbiasedness.kept_value", "seed_determinism.same_seed", "mask_rate.extremes",
                            "pytorch_semantics.eval_identity", "pytorch_semantics.shape_and_dtype"})
    EXPECT_THAT(j.failed, Not(Contains(exact)));
  EXPECT_THAT(j.failed, Not(Contains("mask_rate.drop_rate")));
  EXPECT_GT(j.passed, 300u);
}

TEST(FreshMutant, WithoutItsDefectPasses) {
  const Judged j = judged("?honest");
  EXPECT_EQ(j.ran.code, 0) << j.ran.out;
  EXPECT_TRUE(j.failed.empty());
  EXPECT_GT(j.passed, 300u);
}

}  // namespace
}  // namespace dropcheck::tools
