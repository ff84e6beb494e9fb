#include "suites/dialect_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <set>
#include <sstream>

#include "suites/dialect_words.hpp"

namespace dropcheck::suites {
namespace {

using ::testing::HasSubstr;

/// A whole dialect, one line a value, so that tests can change and remove lines.
constexpr const char* kWhole = R"(name = "own"
title = "a dialect of a test"
frameworks = ["one"]
[p_domain]
value = "[0, 1]"
type = "f32"
source = "s"
[bad_p]
value = "refused"
source = "s"
[p_one]
value = "zeros"
source = "s"
[scale]
value = "1/q"
source = "s"
[roundings]
value = "any"
source = "s"
[eval]
value = "identity"
source = "s"
[dropped]
value = "select"
source = "s"
[seed]
value = "call"
zero = "random"
source = "s"
[gradient]
value = "as forward"
source = "s"
[resolution]
f64 = 0.0
f32 = 1.5e-8
f16 = 0.25
bf16 = 0.5
source = "where it is written"
)";

std::string changed(const std::string& from, const std::string& to) {
  std::string text = kWhole;
  const std::size_t at = text.find(from);
  if (at == std::string::npos) throw std::logic_error("the dialect of the test has no " + from);
  return text.replace(at, from.size(), to);
}

TEST(DialectFile, ReadsEveryAxis) {
  const auto read = parse_dialect(kWhole, "own.toml");
  ASSERT_TRUE(read) << read.error().message;
  const Dialect& d = *read;
  EXPECT_EQ(d.name, "own");
  EXPECT_EQ(d.frameworks, std::vector<std::string>{"one"});
  EXPECT_EQ(d.p_domain, PDomain::closed);
  EXPECT_EQ(d.p_type, PType::f32);
  EXPECT_EQ(d.bad_p, BadP::refused);
  EXPECT_EQ(d.p_one, AtOne::zeros);
  EXPECT_EQ(d.scale, TrainScale::over_q);
  EXPECT_EQ(d.roundings, all_roundings());
  EXPECT_EQ(d.eval, EvalRule::identity);
  EXPECT_EQ(d.dropped, DroppedRule::select);
  EXPECT_EQ(d.seed, SeedRule::call);
  EXPECT_EQ(d.seed_zero, SeedZero::random);
  EXPECT_EQ(d.gradient, GradientRule::as_forward);
  EXPECT_EQ(d.rate_limit(DType::f64), 0.0);
  EXPECT_EQ(d.rate_limit(DType::f32), 1.5e-8);
  EXPECT_EQ(d.rate_limit(DType::f16), 0.25);
  EXPECT_EQ(d.rate_limit(DType::bf16), 0.5);
  EXPECT_EQ(d.sources[static_cast<std::size_t>(Axis::resolution)], "where it is written");
}

struct Fault {
  const char* from;
  const char* to;
  const char* message;
  friend void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.message; }
};

class MalformedDialect : public ::testing::TestWithParam<Fault> {};

TEST_P(MalformedDialect, IsRefusedInOneSentenceWithItsLine) {
  const auto read = parse_dialect(changed(GetParam().from, GetParam().to), "own.toml");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(read.error().message, HasSubstr(GetParam().message));
  EXPECT_THAT(read.error().message, ::testing::ContainsRegex("^own\\.toml, line [1-9][0-9]*: "))
      << read.error().message;
  EXPECT_EQ(read.error().message.find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Table, MalformedDialect,
    ::testing::Values(
        Fault{"name = \"own\"", "name = own", "line 1: this is no TOML"},
        Fault{"[eval]", "[eval", "this is no TOML"}, Fault{"[eval]", "[dropped]", "this is no TOML"},
        Fault{"name = \"own\"", "nome = \"own\"", "line 1: the dialect has no key 'nome'"},
        Fault{"name = \"own\"\n", "", "line 1: the dialect has no 'name'"},
        Fault{"name = \"own\"", "name = 3", "line 1: 'name' of the dialect must be a text"},
        Fault{"name = \"own\"", "name = \"Two Words\"", "is no name"},
        Fault{"name = \"own\"", "name = \"../../etc\"", "is no name"},
        Fault{"name = \"own\"", "name = \"\"", "has 0 bytes"},
        Fault{"a dialect of a test", "two\\nlines", "line 2: 'title' of the dialect must be one line"},
        Fault{"frameworks = [\"one\"]", "frameworks = \"one\"", "line 3: 'frameworks' must be a list"},
        Fault{"frameworks = [\"one\"]", "frameworks = [1]", "line 3: 'frameworks' must be a list of texts"},
        Fault{"value = \"[0, 1]\"", "value = \"(0, 1)\"",
              "line 5: value = \"(0, 1)\" in [p_domain] is not known: write \"[0, 1]\", \"[0, 1)\""},
        Fault{"type = \"f32\"\nsource", "type = \"f32\"\nsauce", "line 7: [p_domain] has no key 'sauce'"},
        Fault{"type = \"f32\"\n", "", "line 4: [p_domain] has no 'type'"},
        Fault{"type = \"f32\"", "type = \"f16\"", "line 6: type = \"f16\" in [p_domain] is not known"},
        Fault{"value = \"refused\"\nsource = \"s\"", "value = \"refused\"",
              "line 8: [bad_p] has no 'source'"},
        Fault{"value = \"refused\"", "value = true", "line 9: 'value' of [bad_p] must be a text"},
        Fault{"[p_one]\nvalue = \"zeros\"\nsource = \"s\"\n", "", "[p_one] is missing"},
        Fault{"[scale]\nvalue = \"1/q\"\nsource = \"s\"\n", "", "[scale] is missing"},
        Fault{"name = \"own\"", "name = \"own\"\nscale = \"1/q\"", "no TOML"},
        Fault{"value = \"any\"", "value = \"some\"", "'value' of [roundings] must be"},
        Fault{"value = \"any\"", "value = []", "'value' of [roundings] must be"},
        Fault{"value = \"any\"", "value = [1]", "'value' of [roundings] must be"},
        Fault{"value = \"any\"", "value = [\"up\"]", "the rounding 'up' is not known"},
        Fault{"value = \"any\"", "value = [\"wide_gain\"]", "the rounding 'wide_gain' is not known"},
        Fault{"value = \"any\"", "value = [\"quotient\", \"quotient\"]", "'quotient' stands twice"},
        Fault{"value = \"any\"", "value = [\"wide_quotient\"]", "[roundings] leaves f64 without any"},
        Fault{"value = \"any\"", "value = \"none\"", "[roundings] must be \"none\" where [scale] is \"1\""},
        Fault{"value = \"1/q\"", "value = \"1\"", "[roundings] must be \"none\" where [scale] is \"1\""},
        Fault{"value = \"[0, 1]\"", "value = \"[0, 1)\"", "contradicts the domain [0, 1) in [p_domain]"},
        Fault{"value = \"zeros\"", "value = \"refused\"", "contradicts the domain [0, 1] in [p_domain]"},
        Fault{"zero = \"random\"\n", "", "[seed] has no 'zero'"},
        Fault{"zero = \"random\"", "zero = \"nil\"", "zero = \"nil\" in [seed] is not known"},
        Fault{"f64 = 0.0\n", "", "[resolution] has no 'f64'"},
        Fault{"f64 = 0.0", "f64 = 0", "'f64' of [resolution] must be a number with a point"},
        Fault{"bf16 = 0.5", "bf16 = 0.75",
              "'bf16' of [resolution] must be a number with a point, from 0.0 to 0.5"},
        Fault{"bf16 = 0.5", "bf16 = nan", "'bf16' of [resolution] must be a number"},
        Fault{"bf16 = 0.5", "bf16 = -0.1", "'bf16' of [resolution] must be a number"},
        Fault{"bf16 = 0.5", "f8 = 0.5", "[resolution] has no key 'f8'"}));

TEST(DialectFile, RefusesARefusalInTrainingOnlyWhereThereIsNoEvalMode) {
  std::string text = changed("value = \"refused\"", "value = \"refused in training\"");
  EXPECT_TRUE(parse_dialect(text, "own.toml"));
  text.replace(text.find("identity"), 8, "none");
  const auto read = parse_dialect(text, "own.toml");
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("needs an eval mode"));
}

TEST(DialectFile, RefusesWhatIsTooLargeOrTooDeep) {
  const std::string large = std::string(kWhole) + "# " + std::string(kMostDialectBytes, 'x');
  EXPECT_THAT(parse_dialect(large, "own.toml").error().message, HasSubstr("is larger than the 65536 bytes"));
  const std::string deep = std::string(kWhole) + "[more]\na = " + std::string(20000, '[');
  EXPECT_FALSE(parse_dialect(deep, "own.toml"));
  EXPECT_FALSE(parse_dialect(std::string("name = \"\xff\xfe\""), "own.toml"));
}

class DialectFolder : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string file(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }
  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / fmt::format("dropcheck_dialects_{}", getpid());
};

TEST_F(DialectFolder, UsersFilesAreFoundByTheirPath) {
  const auto read = find_dialect(file("mine.toml", kWhole));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->name, "own");
}

TEST_F(DialectFolder, UsersFilesCannotTakeTheNameOfABuiltInDialect) {
  const auto read = find_dialect(file("mine.toml", changed("name = \"own\"", "name = \"pytorch\"")));
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("the name 'pytorch' is that of a built-in dialect"));
}

TEST_F(DialectFolder, WhatIsNoFileOrTooLargeIsRefused) {
  EXPECT_THAT(find_dialect("pytorsch").error().message,
              HasSubstr("dialect 'pytorsch' is not known: write one of pytorch, onnx-13"));
  EXPECT_THAT(find_dialect((folder_ / "none.toml").string()).error().message,
              HasSubstr("there is no such file"));
  std::filesystem::create_directories(folder_ / "folder.toml");
  EXPECT_THAT(find_dialect((folder_ / "folder.toml").string()).error().message,
              HasSubstr("there is no such file"));
  EXPECT_THAT(find_dialect("/dev/zero.toml").error().message, HasSubstr("there is no such file"));
  const std::string large = file("large.toml", std::string(kMostDialectBytes + 1, '#'));
  EXPECT_THAT(find_dialect(large).error().message, HasSubstr("is larger than"));
}

// --- the built-in dialects

TEST(BuiltInDialects, AreTheFilesOfTheirFolderByName) {
  std::set<std::string> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(DROPCHECK_SOURCE_DIR) / "suites/dialects"))
    if (entry.path().extension() == ".toml") files.insert(entry.path().stem().string());
  const auto& names = builtin_dialects();
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()), files);
  for (const std::string& name : names) {
    const Dialect dialect = builtin_dialect(name);
    EXPECT_EQ(dialect.name, name);
    EXPECT_FALSE(dialect.frameworks.empty()) << name;
    for (const Axis axis : kAllAxes)
      EXPECT_FALSE(dialect.sources[static_cast<std::size_t>(axis)].empty())
          << name << ", " << axis_name(axis);
  }
}

TEST(BuiltInDialects, PytorchAllowsNothingAndEveryOtherDiffersSomewhere) {
  for (const std::string& name : builtin_dialects()) {
    std::size_t differences = 0;
    for (const DialectRule& rule : rules_of(builtin_dialect(name))) {
      EXPECT_FALSE(rule.axis.empty() || rule.value.empty()) << name;
      differences += rule.allows.empty() ? 0 : 1;
    }
    EXPECT_EQ(differences == 0, name == "pytorch") << name;
  }
}

TEST(BuiltInDialects, AValueDiffersFromPytorchWhereAndOnlyWhereItAllowsSomething) {
  for (const std::string& name : builtin_dialects()) {
    const Dialect dialect = builtin_dialect(name);
    const std::vector<DialectRule> rules = rules_of(dialect);
    for (std::size_t i = 0; i < kAllAxes.size(); ++i) {
      // Where training does not scale there is nothing to round: that is said under the scale.
      if (kAllAxes[i] == Axis::roundings && dialect.scale == TrainScale::none) continue;
      EXPECT_EQ(agrees_with_pytorch(dialect, kAllAxes[i]), rules[i].allows.empty())
          << name << ", " << rules[i].axis;
    }
  }
}

// --- the page for users

std::string resolution_cell(const Dialect& dialect) {
  std::vector<std::string> cells;
  for (const DType dtype : kFloatDTypes)
    cells.push_back(fmt::format("2^{}", std::log2(dialect.rate_limit(dtype))));
  const bool same =
      std::all_of(cells.begin(), cells.end(), [&](const auto& cell) { return cell == cells[0]; });
  return same ? cells[0] : fmt::format("{}", fmt::join(cells, ", "));
}

/// The table of docs/dialects.md: a row for each axis, a column for each dialect.
std::string table() {
  std::string text = "| axis |", rule = "| --- |";
  for (const std::string& name : builtin_dialects()) {
    text += fmt::format(" {} |", name);
    rule += " --- |";
  }
  text += "\n" + rule + "\n";
  for (const Axis axis : kAllAxes) {
    text += fmt::format("| {} |", axis_name(axis));
    for (const std::string& name : builtin_dialects()) {
      const Dialect dialect = builtin_dialect(name);
      text +=
          fmt::format(" {} |", axis == Axis::resolution ? resolution_cell(dialect)
                               : axis == Axis::roundings && dialect.roundings == pytorch_dialect().roundings
                                   ? "seven of twelve"
                                   : value_text(dialect, axis));
    }
    text += "\n";
  }
  return text;
}

TEST(DialectsPage, HoldsTheTableThatTheFilesMake) {
  std::ifstream file(std::filesystem::path(DROPCHECK_SOURCE_DIR) / "docs/dialects.md");
  std::stringstream page;
  page << file.rdbuf();
  EXPECT_THAT(page.str(), HasSubstr(table())) << "put this table into docs/dialects.md:\n" << table();
  for (const std::string& name : builtin_dialects())
    for (const std::string& framework : builtin_dialect(name).frameworks)
      EXPECT_THAT(page.str(), HasSubstr(framework))
          << "docs/dialects.md says which dialect fits which framework";
}

}  // namespace
}  // namespace dropcheck::suites
