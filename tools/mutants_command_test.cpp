// `dropcheck mutants`, as a user runs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tools/testing/program.hpp"

namespace dropcheck::tools {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

class MutantsCommand : public ::testing::Test {
 protected:
  /// Standard output and error together.
  Ran dropcheck(const std::string& arguments) const {
    return ran(fmt::format("cd '{}' && '{}' {} 2>&1 </dev/null", folder_.path().string(), DROPCHECK_PROGRAM,
                           arguments));
  }

  TemporaryFolder folder_;
};

TEST_F(MutantsCommand, KillsAndWritesPagePictureAndMatrix) {
  const Ran seen = dropcheck(
      "mutants --profile=quick --matrix=smoke --only='s[ce]*' --rivals=burn,mlx "
      "--out=score");
  EXPECT_EQ(seen.code, 0) << seen.out;
  EXPECT_THAT(seen.out, HasSubstr("mutant:scale_missing               killed"));
  EXPECT_THAT(seen.out, HasSubstr(" by the check named in advance\n"));
  const Json matrix = Json::parse(text_of(folder_.path() / "score" / "kill_matrix.json"));
  EXPECT_EQ(matrix.at("killed_as_named"), matrix.at("asked"));
  EXPECT_GE(matrix.at("asked"), 10);
  EXPECT_EQ(matrix.at("flawless"), true);
  EXPECT_EQ(matrix.at("rivals").size(), 2u);
  for (const Json& row : matrix.at("mutants")) {
    if (row.at("named").at("asked") == false) continue;
    EXPECT_EQ(row.at("named").at("killed"), true) << row;
    EXPECT_THAT(std::string(row.at("named").at("repro")), HasSubstr("--check="));
    EXPECT_FALSE(std::string(row.at("source")).empty());
  }
  bool any_clean = false;
  for (const Json& row : matrix.at("clean"))
    for (const auto& [check, said] : row.at("ours").items()) {
      EXPECT_NE(said, "fired") << row.at("backend") << " " << check;
      any_clean = true;
    }
  EXPECT_TRUE(any_clean);
  EXPECT_THAT(text_of(folder_.path() / "score" / "mutation_score.md"), HasSubstr("`scale_missing`"));
  EXPECT_THAT(text_of(folder_.path() / "score" / "kill_matrix.svg"), EndsWith("</svg>\n"));
}

TEST_F(MutantsCommand, AProfileThatIsTooSmallAsksNone) {
  const Ran seen = dropcheck("mutants --profile=smoke --matrix=smoke --only=swapped --no-rivals");
  EXPECT_EQ(seen.code, 5) << seen.out;
  EXPECT_THAT(seen.out, AllOf(HasSubstr("not asked, for a larger profile: mutant:swapped (quick)"),
                              EndsWith("killed 0 of 0 by the check named in advance\n")));
}

TEST_F(MutantsCommand, CountsFalseAlarmsOfRivals) {
  const Ran seen = dropcheck(
      "mutants --profile=quick --matrix=smoke --only=swapped --rivals=burn,keras "
      "--clean-runs=20 --out=score");
  EXPECT_EQ(seen.code, 0) << seen.out;
  const Json matrix = Json::parse(text_of(folder_.path() / "score" / "kill_matrix.json"));
  for (const Json& rival : matrix.at("rivals")) {
    EXPECT_EQ(rival.at("clean_runs"), 20) << rival;
    EXPECT_LE(rival.at("false_alarms"), 20) << rival;
    EXPECT_GT(rival.at("elements"), 0) << rival;
  }
}

TEST_F(MutantsCommand, AsksABackendThatNoListNames) {
  const Ran seen =
      dropcheck("mutants --profile=quick --matrix=smoke --only=swapped --no-rivals --also=mutant:threshold8");
  EXPECT_EQ(seen.code, 0) << seen.out;
  EXPECT_THAT(seen.out, AllOf(HasSubstr("mutant:threshold8 "), EndsWith("killed 1 of 1 by the check named "
                                                                        "in advance\n")));
}

TEST_F(MutantsCommand, WrongUseIsToldInOneSentence) {
  const std::pair<const char*, const char*> uses[] = {
      {"--only=nonesuch", "no mutant has such a name: 'dropcheck list mutants' shows them"},
      {"--profile=huge", "--profile=huge is not known: write smoke, quick, standard, deep"},
      {"--matrix=huge", "--matrix: "},
      {"--also=plugin:/none.so", "--also: "},
      {"--rivals=nobody", "--rivals: "},
      {"--threads=100000", "--threads=100000 is too many"}};
  for (const auto& [use, says] : uses) {
    const Ran seen = dropcheck(fmt::format("mutants {}", use));
    EXPECT_EQ(seen.code, 4) << use << seen.out;
    EXPECT_THAT(seen.out, HasSubstr(says));
    EXPECT_EQ(std::count(seen.out.begin(), seen.out.end(), '\n'), 1) << seen.out;
  }
  EXPECT_THAT(dropcheck("list mutants").out, HasSubstr("caught by mask_rate.drop_rate in quick"));
}

}  // namespace
}  // namespace dropcheck::tools
