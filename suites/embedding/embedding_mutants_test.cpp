// The fault-free base with layers passes the suite, and each of its mutants fails the check that the table
// names.
#include <algorithm>

#include "suites/catalogue.hpp"
#include "suites/embedding/testing/embedding_testing.hpp"

namespace dropcheck::suites::embedding {
namespace {

using testing::judge;
using testing::opened;
using testing::protocols_of;

std::vector<std::string> checks_of_suite() {
  std::vector<std::string> ids;
  for (const CheckInfo& info : catalogue())
    if (info.suite() == "embedding") ids.push_back(info.id);
  return ids;
}

std::string short_name(const std::string& id) { return id.substr(id.find('.') + 1); }

class EmbeddingCheck : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, EmbeddingCheck, ::testing::ValuesIn(checks_of_suite()),
                         [](const auto& row) { return short_name(row.param); });

TEST_P(EmbeddingCheck, PassesTheBase) {
  const auto backend = opened("network");
  for (const std::string& protocol : protocols_of(GetParam()))
    for (const std::uint64_t seed : {1, 2, 3}) {
      const Judgement j = judge(GetParam(), protocol, *backend, seed);
      EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
      EXPECT_GT(j.comparisons, 0u);
      EXPECT_THAT(j.message, ::testing::Not(::testing::HasSubstr("too few entries"))) << j.message;
    }
}

TEST_P(EmbeddingCheck, IsUnsupportedWhereThereAreNoLayers) {
  const auto backend = opened("none");
  for (const std::string& protocol : protocols_of(GetParam())) {
    const Judgement j = judge(GetParam(), protocol, *backend);
    EXPECT_EQ(j.verdict, Verdict::unsupported) << j.message;
    EXPECT_THAT(j.message, ::testing::HasSubstr("does not claim"));
  }
}

TEST_P(EmbeddingCheck, NeverMeetsAZeroBudgetWithAStatistic) {
  const Check* check = suites::testing::suites_registry().check(GetParam());
  ASSERT_NE(check, nullptr);
  EXPECT_EQ(check->is_exact(), check->info().statistics.empty());
}

std::vector<mutants::MutantInfo> mutants_of_suite() {
  std::vector<mutants::MutantInfo> found;
  for (const auto& mutant : mutants::mutant_table())
    if (mutant.killed_by.starts_with("embedding.")) found.push_back(mutant);
  return found;
}

class EmbeddingMutant : public ::testing::TestWithParam<mutants::MutantInfo> {};
INSTANTIATE_TEST_SUITE_P(All, EmbeddingMutant, ::testing::ValuesIn(mutants_of_suite()),
                         [](const auto& row) { return std::string(row.param.id); });

TEST_P(EmbeddingMutant, FailsTheCheckThatTheTableNames) {
  const std::string check(GetParam().killed_by);
  ASSERT_NE(suites::testing::suites_registry().check(check), nullptr);
  const auto backend = opened(GetParam().id);
  std::vector<std::string> said;
  bool failed = false;
  for (const std::string& protocol : protocols_of(check)) {
    const Judgement j = judge(check, protocol, *backend);
    failed = failed || (j.verdict == Verdict::fail && !j.message.starts_with("trouble"));
    said.push_back(j.message);
  }
  EXPECT_TRUE(failed) << GetParam().mechanism << ": " << fmt::format("{}", fmt::join(said, "\n"));
  RecordProperty("message", said.front());
}

TEST(EmbeddingSuite, HasAMutantForEveryCheckButTheEstimate) {
  for (const std::string& id : checks_of_suite()) {
    if (id == "embedding.mc_estimate") continue;  // estimates_test.cpp plants its defects
    const auto mutants = mutants_of_suite();
    EXPECT_TRUE(std::any_of(mutants.begin(), mutants.end(), [&](const auto& m) { return m.killed_by == id; }))
        << id;
  }
}

}  // namespace
}  // namespace dropcheck::suites::embedding
