#include "harness/run/repro.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "harness/testing/rc_gtest.hpp"

namespace dropcheck {
namespace {

/// The words that a POSIX shell would see; only what shell_word may write is understood.
std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (quoted) {
      if (line[i] == '\'') quoted = false;
      else words.back() += line[i];
    } else if (line[i] == '\'') {
      quoted = true;
    } else if (line[i] == '\\') {
      words.back() += line[++i];
    } else if (line[i] == ' ') {
      words.emplace_back();
    } else {
      words.back() += line[i];
    }
  }
  return words;
}

TEST(ShellWord, LeavesPlainWordsAlone) {
  for (const char* word :
       {"reference", "--case=op=dropout,p=0.1,shape=4x5", "plugin:./lib-x_1.so", "a@b%c+d"})
    EXPECT_EQ(shell_word(word), word);
}

TEST(ShellWord, QuotesWhatAShellWouldChange) {
  EXPECT_EQ(shell_word(""), "''");
  EXPECT_EQ(shell_word("a b"), "'a b'");
  EXPECT_EQ(shell_word("$HOME"), "'$HOME'");
  EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_word("a;b&c|d"), "'a;b&c|d'");
  EXPECT_EQ(shell_word("~"), "'~'");
  EXPECT_EQ(shell_word("x.so?a=*"), "'x.so?a=*'");
}

TEST(ShellWord, IsOneWordWithTheSameBytes) {
  DROPCHECK_PROPERTY([] {
    const auto word = *rc::gen::oneOf(
        rc::gen::arbitrary<std::string>(),
        rc::gen::container<std::string>(rc::gen::elementOf(std::string("ab'\" \\$`!*?#~\n;&|<>()"))));
    const std::string quoted = shell_word(word);
    RC_ASSERT(words_of(quoted) == std::vector<std::string>{word});
    bool inside = false;
    for (std::size_t i = 0; i < quoted.size(); ++i) {  // nothing special stands outside the quotes
      if (quoted[i] == '\'') inside = !inside;
      else if (!inside && quoted[i] == '\\') ++i;
      else if (!inside)
        RC_ASSERT(std::string("\" $`!*?#~\n\t;&|<>()[]{}").find(quoted[i]) == std::string::npos);
    }
    RC_ASSERT(!inside);
  });
}

Plan plan_of() {
  Plan plan;
  plan.profile = "case";
  plan.requested_profile = "smoke";
  plan.alpha = 2.5e-7;
  plan.master_seed = 0x1234;
  return plan;
}

TEST(ReproLine, CarriesAllThatDecidesTheCell) {
  EXPECT_EQ(repro_line("reference", plan_of(), "mask_rate.lanes", "op=dropout,p=0.1,shape=4"),
            "dropcheck run --backend=reference --profile=smoke --seed=0x1234 --alpha=2.5e-07 "
            "--check=mask_rate.lanes --case=op=dropout,p=0.1,shape=4");
}

TEST(ReproLine, CarriesTheDialectWhereItIsNotPytorchs) {
  Plan plan = plan_of();
  plan.dialect = "my own/dialect.toml";
  EXPECT_EQ(repro_line("reference", plan, "mask_rate.lanes", "op=dropout,p=0.1,shape=4"),
            "dropcheck run --backend=reference --profile=smoke --seed=0x1234 --alpha=2.5e-07 "
            "--check=mask_rate.lanes '--dialect=my own/dialect.toml' --case=op=dropout,p=0.1,shape=4");
}

TEST(ReproLine, HasNoCaseForRandomProblems) {
  EXPECT_EQ(repro_line("reference", plan_of(), "mask_rate.random_problems", std::string(kRandomProblems)),
            "dropcheck run --backend=reference --profile=smoke --seed=0x1234 --alpha=2.5e-07 "
            "--check=mask_rate.random_problems");
}

TEST(ReproLine, KeepsABackendOfSeveralWordsInOne) {
  const std::string backend = "exec:python3 it's.py --x='1 2'";
  const auto words = words_of(repro_line(backend, plan_of(), "a.b", "op=dropout,p=0.1,shape=4"));
  ASSERT_EQ(words.size(), 8u);
  EXPECT_EQ(words[2], "--backend=" + backend);
}

}  // namespace
}  // namespace dropcheck
