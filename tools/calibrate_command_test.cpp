// `dropcheck calibrate`: its exit codes and the page, on checks that hold and on checks that were spoilt.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "suites/register.hpp"
#include "tools/commands.hpp"
#include "tools/testing/spoilt_check.hpp"

namespace dropcheck::tools {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const Registry& real_checks() {
  static const Registry registry = [] {
    Registry r;
    suites::register_suites(r);
    return r;
  }();
  return registry;
}

Registry spoilt(const std::string& check, double factor) {
  const Check* real = real_checks().check(check);
  if (real == nullptr) throw std::invalid_argument("no check " + check);
  Registry registry;
  registry.add_check(std::make_unique<SpoiltCheck>(*real, factor));
  return registry;
}

class CalibrateCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "dropcheck-calibrate-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    arguments_.out = (folder_ / "page.md").string();
    arguments_.brief = true;
    arguments_.threads = 2;
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  ExitCode run(const Registry& registry) {
    ::testing::internal::CaptureStderr();
    const ExitCode code = calibrate_command(registry, arguments_);
    told_ = ::testing::internal::GetCapturedStderr();
    return code;
  }
  std::string page() const {
    std::ifstream file(arguments_.out);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

  fs::path folder_;
  CalibrateArguments arguments_;
  std::string told_;
};

TEST_F(CalibrateCommand, PassesOnARealCheckAndWritesThePage) {
  arguments_.check_glob = "mask_rate.drop_rate";
  EXPECT_EQ(run(real_checks()), ExitCode::pass) << told_;
  EXPECT_THAT(told_, HasSubstr("4/4 S1 drop rate p=0.1 n=65536"));
  EXPECT_THAT(page(), HasSubstr("Written by `dropcheck calibrate --short --check='mask_rate.drop_rate'"));
  EXPECT_THAT(page(), HasSubstr("12 rows: 12 hold, 0 vague, 0 too high, 0 too low."));
  EXPECT_THAT(
      page(),
      HasSubstr("| S1 drop rate | binomial_exact | 0.5 | 2^12 | 0.001 | 0.975 | - | exact | holds |"));
}

TEST_F(CalibrateCommand, FailsWhereExactlySummedPValuesAreTooSmall) {
  EXPECT_EQ(run(spoilt("mask_rate.drop_rate", 0.5)), ExitCode::fail);
  EXPECT_THAT(told_, HasSubstr("FAIL S1 drop rate at p = 0.5, 4096 entries"));
  EXPECT_THAT(page(), HasSubstr("TOO HIGH"));
}

TEST_F(CalibrateCommand, FailsWhereSimulatedPValuesAreTooSmallOrTooLarge) {
  EXPECT_EQ(run(spoilt("seed_determinism.chunk_overlaps", 0.1)), ExitCode::fail) << told_;
  EXPECT_THAT(page(), HasSubstr("TOO HIGH"));
  EXPECT_EQ(run(spoilt("mask_rate.dispersion", 100)), ExitCode::fail) << told_;
  EXPECT_THAT(page(), HasSubstr("TOO LOW"));
}

TEST_F(CalibrateCommand, PowerFailsWhereADefectIsNotFound) {
  arguments_.power = true;
  arguments_.check_glob = "mask_rate.drop_rate";
  EXPECT_EQ(run(real_checks()), ExitCode::pass) << told_;
  EXPECT_THAT(page(), HasSubstr("| 100 | 100 | holds |"));
  arguments_.check_glob.clear();
  EXPECT_EQ(run(spoilt("mask_rate.drop_rate", 1e30)), ExitCode::fail);
  EXPECT_THAT(page(), HasSubstr("TOO FEW"));
}

TEST_F(CalibrateCommand, RefusesChecksThatItDoesNotKnow) {
  arguments_.check_glob = "pytorch_semantics.*";
  EXPECT_EQ(run(real_checks()), ExitCode::usage);
  EXPECT_THAT(told_, HasSubstr("no check that is calibrated matches 'pytorch_semantics.*'"));
  arguments_.power = true;
  EXPECT_EQ(run(real_checks()), ExitCode::usage);
}

TEST_F(CalibrateCommand, SaysWhenThePageCannotBeWritten) {
  arguments_.check_glob = "mask_rate.drop_rate";
  arguments_.out = (folder_ / "no" / "page.md").string();
  EXPECT_EQ(run(real_checks()), ExitCode::usage);
  EXPECT_THAT(told_, HasSubstr("cannot be written"));
}

}  // namespace
}  // namespace dropcheck::tools
