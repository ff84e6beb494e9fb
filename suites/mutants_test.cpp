// Every mutant is caught by the check that its table names, in the profile that promises it, and the bases
// under the mutants pass.
#include "impl/mutants/mutants.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <map>
#include <set>

#include "harness/core/descriptor.hpp"
#include "harness/run/runner.hpp"
#include "suites/register.hpp"
#include "suites/testing/planted_backend.hpp"

namespace dropcheck::suites {
namespace {

Registry registry_with_mutants() {
  Registry registry;
  register_suites(registry);
  registry.add_backend({"mutant", "mutant:ID", "wrong on purpose", true, mutants::open_mutant});
  return registry;
}

std::vector<ResultRecord> results_of(const Registry& registry, const std::string& spec,
                                     const PlanOptions& options, unsigned lanes = 2) {
  const auto plan = make_plan(registry, options);
  if (!plan) throw std::logic_error(plan.error().message);
  const auto backend = registry.open(spec, {});
  if (!backend) throw std::logic_error(backend.error().message);
  std::vector<ResultRecord> results;
  RunnerEvents events;
  events.on_result = [&](ResultRecord result) {
    results.push_back(result);
    return result.verdict;
  };
  RunnerOptions runner;
  runner.lanes = lanes;
  std::atomic<bool> stop{false};
  run_plan(registry, *plan, spec, (*backend)->capabilities(), runner, events, stop);
  return results;
}

PlanOptions options_of(const mutants::MutantInfo& mutant) {
  PlanOptions options;
  options.profile = std::string(mutant.profile);
  options.check_glob = std::string(mutant.killed_by);
  if (!mutant.shown_by.empty()) options.only_case = testing::problem_of(std::string(mutant.shown_by));
  return options;
}

class Mutants : public ::testing::TestWithParam<std::size_t> {};  // rows of the table

TEST_P(Mutants, AreCaughtByTheCheckThatTheTableNames) {
  const Registry registry = registry_with_mutants();
  const mutants::MutantInfo& mutant = mutants::mutant_table()[GetParam()];
  ASSERT_NE(registry.check(mutant.killed_by), nullptr) << mutant.killed_by << " is not registered";
  std::uint64_t failed = 0;
  for (const ResultRecord& r : results_of(registry, "mutant:" + std::string(mutant.id), options_of(mutant))) {
    EXPECT_EQ(r.check, mutant.killed_by);
    if (r.verdict != Verdict::fail) continue;
    ++failed;
    EXPECT_FALSE(r.message.empty());
    EXPECT_THAT(r.repro, ::testing::HasSubstr("--check=" + r.check));
  }
  EXPECT_GT(failed, 0u) << mutant.mechanism;
}

INSTANTIATE_TEST_SUITE_P(Table, Mutants, ::testing::Range(std::size_t{0}, mutants::mutant_table().size()),
                         [](const auto& row) { return std::string(mutants::mutant_table()[row.param].id); });

TEST(MutantBases, PassEveryCheckThatMustCatchAMutantOfTheirs) {
  const Registry registry = registry_with_mutants();
  std::set<std::pair<std::string_view, std::string_view>> tried;
  for (const auto& mutant : mutants::mutant_table()) {
    if (!tried.emplace(mutant.base, mutant.killed_by).second) continue;
    const auto results = results_of(registry, "mutant:" + std::string(mutant.base), options_of(mutant));
    EXPECT_FALSE(results.empty()) << mutant.killed_by;
    for (const ResultRecord& r : results)
      EXPECT_EQ(r.verdict, Verdict::pass)
          << r.backend << " " << r.check << " " << r.problem << ": " << r.message;
  }
}

class Bases : public ::testing::TestWithParam<std::string_view> {
 protected:
  /// Nothing fails; tells how much passed.
  std::uint64_t passed(const PlanOptions& options) {
    std::uint64_t passed = 0;
    for (const ResultRecord& r :
         results_of(registry_with_mutants(), "mutant:" + std::string(GetParam()), options)) {
      EXPECT_TRUE(r.verdict == Verdict::pass || r.verdict == Verdict::unsupported)
          << r.check << " " << r.problem << ": " << r.message;
      passed += r.verdict == Verdict::pass ? 1 : 0;
    }
    return passed;
  }
};

TEST_P(Bases, PassTheWholeSmokeProfile) {
  PlanOptions options;
  options.profile = "smoke";
  EXPECT_GT(passed(options), 500u);
}

TEST_P(Bases, PassTheRowsOfTheDialect) {
  PlanOptions options;
  options.profile = "quick";
  options.check_glob = "pytorch_semantics.row_*";
  EXPECT_GT(passed(options), GetParam() == "torchlike" ? 50u : 20u);
}

TEST_P(Bases, PassTheExactStreamsThatTheyClaim) {
  PlanOptions options;
  options.profile = "quick";
  options.check_glob = "exact_stream.*";
  const std::uint64_t claimed = passed(options);
  if (GetParam() == "philox" || GetParam() == "torchlike") EXPECT_GT(claimed, 100u);
  else EXPECT_EQ(claimed, 0u) << "it claims no stream";
}

INSTANTIATE_TEST_SUITE_P(All, Bases, ::testing::ValuesIn(mutants::kBases),
                         [](const auto& base) { return std::string(base.param); });

/// A registry with one backend, planted as `plant` says.
Registry registry_with_planted(std::function<void(testing::PlantedBackend&)> plant) {
  Registry registry;
  register_suites(registry);
  registry.add_backend(
      {"planted", "planted", "one defect", false,
       [plant](const std::string&, const BackendOptions&) -> Expected<std::unique_ptr<Backend>> {
         auto backend = std::make_unique<testing::PlantedBackend>();
         plant(*backend);
         return std::unique_ptr<Backend>(std::move(backend));
       }});
  return registry;
}

PlanOptions random_problems_of(const std::string& suite) {
  PlanOptions options;
  options.profile = "smoke";
  options.check_glob = suite + ".random_problems";
  return options;
}

TEST(RandomProblems, HoldOnACorrectBackendInEverySuite) {
  const Registry registry = registry_with_planted([](testing::PlantedBackend&) {});
  for (const char* suite : {"mask_rate", "unbiasedness", "channel_correlation", "gradient_consistency",
                            "seed_determinism", "pytorch_semantics"}) {
    const auto results = results_of(registry, "planted", random_problems_of(suite), 1);
    ASSERT_EQ(results.size(), 1u);
    EXPECT_EQ(results[0].verdict, Verdict::pass) << results[0].message;
    EXPECT_GT(results[0].comparisons, 0u) << suite;
  }
}

TEST(RandomProblems, ShrinkACounterExampleToAReproLineOfItsOwn) {
  const Registry registry = registry_with_planted(
      [](testing::PlantedBackend& backend) { backend.spoil_eval = [](double x) { return x + 1; }; });
  const auto results = results_of(registry, "planted", random_problems_of("pytorch_semantics"), 1);
  ASSERT_EQ(results.size(), 1u);
  const ResultRecord& r = results[0];
  EXPECT_EQ(r.verdict, Verdict::fail);
  EXPECT_THAT(r.repro, ::testing::HasSubstr("--check=pytorch_semantics.eval_identity"));
  const std::size_t at = r.repro.find("--case=");
  ASSERT_NE(at, std::string::npos) << r.repro;
  const auto problem = parse_descriptor(r.repro.substr(at + 7));
  ASSERT_TRUE(problem) << problem.error().message;
  EXPECT_EQ(element_count(problem->shape), 1) << "every tensor shows this defect: the smallest does";
  PlanOptions again;
  again.profile = "smoke";
  again.check_glob = "pytorch_semantics.eval_identity";
  again.only_case = *problem;
  const auto repeated = results_of(registry, "planted", again, 1);
  ASSERT_EQ(repeated.size(), 1u);
  EXPECT_EQ(repeated[0].verdict, Verdict::fail);
}

}  // namespace
}  // namespace dropcheck::suites
