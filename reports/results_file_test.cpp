#include "reports/results_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "reports/jsonl.hpp"
#include "reports/jsonl_reader.hpp"
#include "reports/test_records.hpp"

namespace dropcheck::reports {
namespace {

using ::testing::HasSubstr;

class ResultsFileTest : public ::testing::Test {
 protected:
  ~ResultsFileTest() override { std::filesystem::remove_all(root_); }
  std::string root_ =
      testing::TempDir() + "dropcheck_" + testing::UnitTest::GetInstance()->current_test_info()->name();
  std::string directory_ = root_ + "/a/b";
};

TEST_F(ResultsFileTest, EveryLineIsOnDiskAtOnce) {
  auto file = ResultsFile::create(directory_);
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_TRUE(file->write(header_line(passing_run().header)));
  const auto read = read_results(file->path());
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("has no footer"));
  ASSERT_TRUE(file->write(footer_line(passing_run().footer)));
  EXPECT_TRUE(read_results(file->path()));
}

TEST_F(ResultsFileTest, ReportsStandBesideTheResultsAndDoNotOutliveThem) {
  ASSERT_TRUE(write_reports(passing_run(), directory_));
  for (const char* name : {"/report.md", "/junit.xml"})
    EXPECT_GT(std::filesystem::file_size(directory_ + name), 100u);
  ASSERT_TRUE(ResultsFile::create(directory_));
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/report.md"));
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/junit.xml"));
}

TEST_F(ResultsFileTest, UnwritableFoldersSayWhatToDo) {
  std::filesystem::create_directories(directory_);
  std::ofstream(directory_ + "/taken") << "x";
  for (const std::string& bad :
       {directory_ + "/taken", directory_ + "/taken/sub", std::string("/proc/nowhere"), std::string()}) {
    const auto file = ResultsFile::create(bad);
    ASSERT_FALSE(file) << bad;
    EXPECT_EQ(file.error().code, ErrorCode::io);
    EXPECT_THAT(file.error().message, HasSubstr("--out"));
    EXPECT_FALSE(write_reports(passing_run(), bad));
  }
}

TEST_F(ResultsFileTest, FullDisksAreReported) {
  std::filesystem::create_directories(directory_);
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  std::filesystem::create_symlink("/dev/full", directory_ + "/results.jsonl");
  auto file = ResultsFile::create(directory_);
  ASSERT_TRUE(file);
  EXPECT_FALSE(file->write("{}"));
}

}  // namespace
}  // namespace dropcheck::reports
