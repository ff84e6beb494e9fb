// `dropcheck init`: what it writes passes as it is, and nothing is written over.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <ostream>

#include "harness/run/repro.hpp"
#include "tools/testing/program.hpp"

namespace dropcheck::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

const std::string kProgram = shell_word(DROPCHECK_PROGRAM);

struct Skeleton {
  const char* language;
  const char* user_file;
  const char* helper;       // in the folder
  const char* source;       // of the helper, below adapters/
  const char* needs;        // a line of shell that works where the language is there
  const char* interpreter;  // in front of the program; a fixed seed where masks are drawn without one
  friend void PrintTo(const Skeleton& row, std::ostream* out) { *out << row.language; }
};

class Skeletons : public ::testing::TestWithParam<Skeleton> {};

TEST_P(Skeletons, PassAsTheyAre) {
  const Skeleton& s = GetParam();
  if (ran(std::string(s.needs) + " >/dev/null 2>&1").code != 0)
    GTEST_SKIP() << "this machine has no " << s.language;
  const TemporaryFolder folder;
  // A blank in the path shows whether what is printed can be typed.
  const fs::path place = folder.path() / "my work";
  const Ran init = ran(
      fmt::format("{} init --lang={} my-dropout --out={}", kProgram, s.language, shell_word(place.string())));
  ASSERT_EQ(init.code, 0);
  const fs::path made = place / "my-dropout";
  EXPECT_THAT(text_of(made / s.user_file), HasSubstr("my-dropout"));
  EXPECT_THAT(text_of(made / s.user_file), Not(HasSubstr("ADAPTER_NAME")));
  EXPECT_EQ(text_of(made / s.helper), text_of(fs::path(DROPCHECK_SOURCE_DIR) / "adapters" / s.source));
  EXPECT_THAT(text_of(made / "README.md"), HasSubstr("dropcheck validate-adapter"));

  // The first command is typed as it is printed, with this program for `dropcheck`.
  std::istringstream lines(init.out);
  std::string line, first, second;
  std::getline(lines, line);
  std::getline(lines, first);
  std::getline(lines, second);
  const fs::path bin = folder.path() / "bin";
  fs::create_directory(bin);
  fs::create_symlink(DROPCHECK_PROGRAM, bin / "dropcheck");
  const std::string path = fmt::format("PATH={}:\"$PATH\"; export PATH; ", shell_word(bin.string()));
  const Ran validated = ran(path + first);
  EXPECT_EQ(validated.code, 0) << validated.out;
  EXPECT_THAT(validated.out, HasSubstr("\nPASS: "));

  EXPECT_THAT(second, HasSubstr("dropcheck run --backend="));
  const std::string user = (made / (std::string(s.language) == "cpp" ? "adapter" : s.user_file)).string();
  const Ran judged = ran(fmt::format("{} run --profile=smoke --threads=1 --backend={} --out={}", kProgram,
                                     shell_word(fmt::format("exec:{}{}", s.interpreter, shell_word(user))),
                                     shell_word((folder.path() / "out").string())));
  EXPECT_EQ(judged.code, 0) << judged.out;
}

INSTANTIATE_TEST_SUITE_P(
    Languages, Skeletons,
    ::testing::Values(Skeleton{"python", "adapter.py", "dropcheck_adapter.py", "python/dropcheck_adapter.py",
                               "python3 --version", "python3 "},
                      Skeleton{"node", "adapter.mjs", "dropcheck_adapter.mjs", "node/dropcheck_adapter.mjs",
                               "node --version", "node --random-seed=1 "},
                      Skeleton{"cpp", "adapter.cpp", "dropcheck_adapter.hpp", "cpp/dropcheck_adapter.hpp",
                               "g++ --version", ""}),
    [](const auto& row) { return std::string(row.param.language); });

TEST(InitCommand, WritesNothingOver) {
  const TemporaryFolder folder;
  const std::string out = " --out=" + shell_word(folder.path().string());
  fs::create_directory(folder.path() / "taken");
  std::ofstream(folder.path() / "file") << "precious\n";
  fs::create_symlink("/no/such/place", folder.path() / "link");
  for (const char* name : {"taken", "file", "link"}) {
    const Ran outcome = ran(kProgram + " init --lang=python " + name + out + " 2>&1");
    EXPECT_EQ(outcome.code, 4) << name;
    EXPECT_THAT(outcome.out, HasSubstr("is there already and is left as it is: choose another name"));
  }
  EXPECT_TRUE(fs::is_empty(folder.path() / "taken"));
  EXPECT_EQ(text_of(folder.path() / "file"), "precious\n");
}

TEST(InitCommand, RefusesBadNamesLanguagesAndPlaces) {
  const TemporaryFolder folder;
  const std::string out = " --out=" + shell_word(folder.path().string());
  for (const std::string& name :
       {std::string("''"), std::string(".."), std::string("a/b"), std::string("1st"), std::string("'a b'"),
        std::string("'a\"b'"), std::string("a.b"), std::string("ähm"), std::string(65, 'a')}) {
    const Ran outcome = ran(kProgram + " init --lang=cpp " + name + out + " 2>&1");
    EXPECT_EQ(outcome.code, 4) << name;
    EXPECT_THAT(outcome.out, HasSubstr("is no name for an adapter"));
  }
  EXPECT_TRUE(fs::is_empty(folder.path()));
  const Ran language = ran(kProgram + " init --lang=cobol x" + out + " 2>&1");
  EXPECT_EQ(language.code, 4);
  EXPECT_THAT(language.out, HasSubstr("write --lang=python, --lang=node or --lang=cpp"));
  std::ofstream(folder.path() / "file") << "in the way\n";
  const Ran place = ran(
      kProgram + " init --lang=python x --out=" + shell_word((folder.path() / "file").string()) + " 2>&1");
  EXPECT_EQ(place.code, 4);
  EXPECT_THAT(place.out, HasSubstr("cannot be made"));
}

}  // namespace
}  // namespace dropcheck::tools
