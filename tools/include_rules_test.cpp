// Who may include whom: the rules of docs/architecture.md, over the whole source tree.
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <ostream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

/// The room that a path of the tree lies in, "impl/cpu" or "harness/core"; empty for none.
std::string room_of(const std::string& path) {
  static const std::regex two("^(harness/(core|stats|run|abi|testing)|impl/[a-z_]+)/");
  static const std::regex one("^(reference|suites|reports|tools|bench|examples|adapters)/");
  std::smatch match;
  if (std::regex_search(path, match, two) || std::regex_search(path, match, one)) return match[1];
  return {};
}

bool is_exempt(const std::string& path) {
  return path.ends_with("_test.cpp") || path.find("/testing/") != std::string::npos;
}

/// Exempt are tests and what stands in a testing/ folder beside them, but harness/testing is a room.
bool is_test_code(const std::string& path) {
  return room_of(path) == "harness/testing" ? path.ends_with("_test.cpp") : is_exempt(path);
}

bool may_include(const std::string& from, const std::string& room, const std::string& include) {
  if (from == room || from == "tools" || from == "bench" || from == "examples") return true;
  if (from == "impl/libtorch" || from == "impl/cuda") return room == "harness/abi";
  if (from.starts_with("impl/")) return room == "harness/core" || room == "harness/abi";
  if (from == "suites" && room == "harness/testing") return include == "harness/testing/generators.hpp";
  static const std::map<std::string, std::set<std::string>> allowed = {
      {"harness/core", {}},
      {"harness/abi", {}},
      {"harness/stats", {"harness/core"}},
      {"harness/run", {"harness/stats", "harness/core"}},
      {"harness/testing", {"harness/core"}},
      {"reference", {"harness/core"}},
      {"suites", {"harness/core", "harness/stats", "reference"}},
      {"reports", {"harness/core"}}};
  const auto found = allowed.find(from);
  return found != allowed.end() && found->second.contains(room);
}

/// One sentence for each include of `text` that the rules forbid to the file at `path`.
std::vector<std::string> violations(const std::string& path, const std::string& text) {
  static const std::regex directive("^[ \t]*#[ \t]*include[ \t]*([<\"])([^>\"]+)[>\"]");
  const std::string from = room_of(path);
  std::vector<std::string> found;
  if (is_test_code(path)) return found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (!std::regex_search(line, match, directive)) continue;
    const std::string include = match[2], room = room_of(include);
    const bool torch = std::regex_search(include, std::regex("^(torch|ATen|c10|caffe2)/"));
    if (torch && from != "impl/libtorch" && from != "examples")
      found.push_back(path + " includes Torch's " + include);
    if (from == "reference" && include.starts_with("boost/random"))
      found.push_back(path + " includes " + include + ": the judge writes its own generators");
    if (match[1] == "\"" && room.empty()) found.push_back(path + " includes " + include + " from no room");
    if (!room.empty() && !may_include(from, room, include))
      found.push_back(path + " must not include " + include);
  }
  return found;
}

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> sources() {
  const fs::path root = DROPCHECK_SOURCE_DIR;
  std::vector<std::string> paths;
  for (const char* top :
       {"harness", "reference", "impl", "suites", "reports", "tools", "bench", "examples"}) {
    if (!fs::exists(root / top)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / top)) {
      const std::string extension = entry.path().extension().string();
      if (entry.is_regular_file() &&
          (extension == ".cpp" || extension == ".hpp" || extension == ".h" || extension == ".c"))
        paths.push_back(fs::relative(entry.path(), root).generic_string());
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

TEST(IncludeRules, HoldInTheWholeTree) {
  const auto paths = sources();
  EXPECT_GT(paths.size(), 100u) << "the tree was not found";
  for (const std::string& path : paths)
    for (const std::string& sentence : violations(path, text_of(fs::path(DROPCHECK_SOURCE_DIR) / path)))
      ADD_FAILURE() << sentence;
}

TEST(IncludeRules, EverySourceLiesInARoom) {
  for (const std::string& path : sources()) EXPECT_FALSE(room_of(path).empty()) << path;
}

TEST(IncludeRules, PublicHeadersHaveAGuard) {
  for (const std::string& path : sources()) {
    if (!path.ends_with(".hpp")) continue;
    EXPECT_THAT(text_of(fs::path(DROPCHECK_SOURCE_DIR) / path), HasSubstr("#pragma once")) << path;
  }
}

struct Example {
  const char* path;
  const char* include;
  bool allowed;
  friend void PrintTo(const Example& row, std::ostream* out) { *out << row.path << " " << row.include; }
};

class IncludeExamples : public ::testing::TestWithParam<Example> {};

TEST_P(IncludeExamples, AreJudgedAsTheRulesSay) {
  const Example& e = GetParam();
  const std::string text = std::string("// a file\n#include ") + e.include + "\nint x;\n";
  EXPECT_EQ(violations(e.path, text).empty(), e.allowed) << e.path << " " << e.include;
}

INSTANTIATE_TEST_SUITE_P(
    Rules, IncludeExamples,
    ::testing::Values(Example{"harness/core/a.cpp", "\"harness/core/b.hpp\"", true},
                      Example{"harness/core/a.cpp", "\"harness/stats/b.hpp\"", false},
                      Example{"harness/stats/a.cpp", "\"harness/core/b.hpp\"", true},
                      Example{"harness/stats/a.cpp", "\"harness/run/b.hpp\"", false},
                      Example{"harness/run/a.cpp", "\"harness/stats/b.hpp\"", true},
                      Example{"harness/run/a.cpp", "\"suites/b.hpp\"", false},
                      Example{"harness/run/a.cpp", "\"impl/cpu/b.hpp\"", false},
                      Example{"harness/abi/a.hpp", "\"harness/core/b.hpp\"", false},
                      Example{"harness/testing/a.hpp", "\"harness/core/b.hpp\"", true},
                      Example{"harness/testing/a.hpp", "\"harness/run/b.hpp\"", false},
                      Example{"reference/a.cpp", "\"harness/core/b.hpp\"", true},
                      Example{"reference/a.cpp", "\"impl/cpu/b.hpp\"", false},
                      Example{"reference/a.cpp", "<boost/random/mersenne_twister.hpp>", false},
                      Example{"reference/a_test.cpp", "<boost/random/mersenne_twister.hpp>", true},
                      Example{"impl/cpu/a.cpp", "\"harness/abi/b.h\"", true},
                      Example{"impl/cpu/a.cpp", "\"reference/b.hpp\"", false},
                      Example{"impl/cpu/a.cpp", "\"impl/plugin/b.hpp\"", false},
                      Example{"impl/cpu/a_test.cpp", "\"reference/b.hpp\"", true},
                      Example{"impl/plugin/testing/a.cpp", "\"reference/b.hpp\"", true},
                      Example{"impl/libtorch/a.cpp", "\"harness/abi/b.h\"", true},
                      Example{"impl/libtorch/a.cpp", "\"harness/core/b.hpp\"", false},
                      Example{"impl/libtorch/a.cpp", "<torch/torch.h>", true},
                      Example{"impl/cpu/a.cpp", "<ATen/ATen.h>", false},
                      Example{"examples/x/a.cpp", "<torch/torch.h>", true},
                      Example{"suites/a.cpp", "\"reference/b.hpp\"", true},
                      Example{"suites/a.cpp", "\"harness/testing/generators.hpp\"", true},
                      Example{"suites/a.cpp", "\"harness/testing/rc_gtest.hpp\"", false},
                      Example{"suites/a.cpp", "\"impl/mutants/b.hpp\"", false},
                      Example{"suites/a.cpp", "\"harness/run/b.hpp\"", false},
                      Example{"reports/a.cpp", "\"harness/stats/b.hpp\"", false},
                      Example{"reports/a.cpp", "\"harness/core/b.hpp\"", true},
                      Example{"tools/a.cpp", "\"impl/cpu/b.hpp\"", true},
                      Example{"tools/a.cpp", "<c10/util/Half.h>", false},
                      Example{"tools/a.cpp", "\"beside.hpp\"", false}));

}  // namespace
