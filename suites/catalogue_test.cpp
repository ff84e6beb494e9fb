#include "suites/catalogue.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <map>
#include <set>

#include "harness/run/plan.hpp"
#include "suites/required_effects.hpp"
#include "suites/testing/planted_backend.hpp"

namespace dropcheck::suites {
namespace {

using testing::suites_registry;

TEST(Catalogue, WeightsAddUpToOne) {
  double sum = 0;
  std::set<std::string_view> ids;
  for (const StatisticShare& share : statistic_shares()) {
    EXPECT_GT(share.weight, 0) << share.id;
    EXPECT_TRUE(ids.insert(share.id).second) << share.id << " stands twice";
    sum += share.weight;
  }
  EXPECT_NEAR(sum, 1, 1e-12);
}

TEST(Catalogue, ChecksShareAtMostThePartThatTheWeightsHold) {
  std::set<std::string, std::less<>> kept;
  double sum = 0, rows = 0;
  for (const StatisticShare& share : kept_shares()) kept.insert(std::string(share.id));
  for (const CheckInfo& info : catalogue()) {
    const bool is_kept = !info.statistics.empty() && kept.contains(info.statistics.front());
    (info.row || is_kept ? rows : sum) += info.weight;
  }
  EXPECT_GT(sum, 0);
  EXPECT_LE(sum, kCatalogueShare + 1e-12);
  EXPECT_GT(rows, 0);
  EXPECT_LE(rows, 1 - kCatalogueShare + 1e-12);
}

TEST(Catalogue, NoStatisticIsHandedOutMoreThanOnce) {
  std::map<std::string, double> available;
  for (const StatisticShare& share : statistic_shares())
    available[std::string(share.id)] = kCatalogueShare * share.weight;
  for (const StatisticShare& share : kept_shares()) available[std::string(share.id)] = share.weight;
  // The part of its statistics that a row has, added up by statistic.
  std::map<std::string, double> parts;
  for (const CheckInfo& info : catalogue()) {
    EXPECT_EQ(info.statistics.empty(), info.weight == 0) << info.id;
    if (info.row) continue;  // each has a statistic of its own
    double whole = 0;
    for (const std::string& id : info.statistics) {
      EXPECT_TRUE(available.contains(id)) << info.id << " names the unknown statistic " << id;
      whole += available[id];
    }
    for (const std::string& id : info.statistics) parts[id] += info.weight / whole;
  }
  for (const auto& [id, part] : parts) EXPECT_NEAR(part, 1, 1e-9) << id;
  EXPECT_EQ(parts.size(), available.size()) << "every share belongs to a check";
}

TEST(Catalogue, IdsAreUniqueAndBeginWithAKnownSuite) {
  const std::set<std::string> suites = {
      "mask_rate",         "channel_correlation", "unbiasedness", "gradient_consistency", "seed_determinism",
      "pytorch_semantics", "exact_stream",        "embedding",    "pytorch_tests"};
  std::set<std::string> ids;
  for (const CheckInfo& info : catalogue()) {
    EXPECT_TRUE(ids.insert(info.id).second) << info.id;
    EXPECT_TRUE(suites.contains(info.suite())) << info.id;
    EXPECT_GT(info.id.size(), info.suite().size() + 1) << info.id;
    EXPECT_FALSE(info.title.empty()) << info.id;
    EXPECT_FALSE(info.catches.empty()) << info.id;
    EXPECT_FALSE(info.cannot_see.empty()) << info.id;
  }
}

TEST(Catalogue, EveryRowIsRegisteredAndEveryRegisteredCheckHasARow) {
  std::set<std::string> rows, registered;
  for (const CheckInfo& info : catalogue()) rows.insert(info.id);
  for (const auto& check : suites_registry().checks()) registered.insert(check->info().id);
  EXPECT_EQ(rows, registered);
}

TEST(Catalogue, ChecksAreRegisteredInTheOrderOfTheTable) {
  std::vector<std::string> rows, registered;
  for (const CheckInfo& info : catalogue()) rows.push_back(info.id);
  for (const auto& check : suites_registry().checks()) registered.push_back(check->info().id);
  EXPECT_EQ(rows, registered);
}

TEST(Catalogue, EveryProtocolThatARowNamesExists) {
  for (const CheckInfo& info : catalogue())
    for (const std::string& id : info.protocols)
      EXPECT_NE(suites_registry().protocol(id), nullptr) << info.id << " reads " << id;
}

TEST(Catalogue, StatisticsOfAJudgementAreThoseOfItsRow) {
  const std::map<std::string, std::string> samples = {{"mask", "op=dropout,p=0.3,shape=256x256"},
                                                      {"position", "op=dropout,p=0.3,shape=131"},
                                                      {"streams", "op=dropout,p=0.3,shape=4096"},
                                                      {"gradient_sums", "op=dropout,p=0.3,shape=64x64"},
                                                      {"large_call", "op=dropout,p=0.3,shape=98307"}};
  for (const CheckInfo& info : catalogue()) {
    if (info.statistics.empty() || info.row) continue;
    if (info.protocols.at(0) == "deep_mask") continue;  // needs samples too large for here
    if (info.suite() == "embedding") continue;  // asks a backend with layers: embedding/estimates_test.cpp
    testing::PlantedBackend backend;
    const std::string protocol = info.protocols.at(0);
    const std::string descriptor = info.id == "channel_correlation.channels"
                                       ? "op=dropout2d,p=0.3,shape=128x128x2x2"
                                       : samples.at(protocol);
    const Judgement j = testing::judge(info.id, protocol, descriptor, backend, {4, 1e-9, 1});
    const Check& check = *suites_registry().check(info.id);
    const Problem problem = testing::problem_of(descriptor);
    const SampleInfo sample{protocol, problem, 4, suites_registry().protocol(protocol)->default_calls};
    EXPECT_EQ(j.statistics.size(), check.hypotheses(sample)) << info.id;
    for (const Statistic& s : j.statistics) {
      EXPECT_THAT(info.statistics, ::testing::Contains(s.id)) << info.id;
      EXPECT_FALSE(s.engine.empty()) << info.id;
      EXPECT_FALSE(s.null_law.empty()) << info.id;
      EXPECT_TRUE(s.p_value >= 0 && s.p_value <= 1) << info.id;
      EXPECT_EQ(s.alpha, 1e-9) << info.id;
    }
    EXPECT_TRUE(check.detectable(sample, 1e-9, kBeta).has_value()) << info.id;
  }
}

TEST(Catalogue, ProfilesPlanEveryCheck) {
  for (const std::string& profile : suites_registry().profiles()) {
    PlanOptions options;
    options.profile = profile;
    const auto plan = make_plan(suites_registry(), options);
    ASSERT_TRUE(plan) << plan.error().message;
    std::set<std::string> planned;
    double spent = 0;
    for (const PlannedSample& sample : plan->samples)
      for (const PlannedCell& cell : sample.cells) {
        planned.insert(cell.check->info().id);
        spent += cell.alpha * cell.hypotheses;
      }
    for (const CheckInfo& info : catalogue()) {
      // Splitting work over threads shows on large tensors only, which smoke has none of.
      if (profile == "smoke" && info.id == "seed_determinism.threads") continue;
      const bool deep_only = info.protocols == std::vector<std::string>{"deep_mask"};
      if (profile != "deep" && deep_only) continue;
      // Smoke has only the rows, foreign tests and networks that ask for little.
      if (profile == "smoke" && (info.row || info.foreign || info.suite() == "embedding")) continue;
      // Calibration is of statistics; which rows of them it leaves out is held by its own test.
      if (profile == kCalibrationProfile && (info.weight == 0 || info.row)) continue;
      EXPECT_TRUE(planned.contains(info.id)) << profile << " has no sample for " << info.id;
    }
    EXPECT_LE(spent, options.alpha * (1 + 1e-9)) << profile;
  }
}

TEST(Catalogue, EveryProtocolHasASampleInSomeProfile) {
  std::set<std::string> sampled;
  for (const std::string& profile : suites_registry().profiles()) {
    PlanOptions options;
    options.profile = profile;
    const auto plan = make_plan(suites_registry(), options);
    ASSERT_TRUE(plan) << plan.error().message;
    for (const PlannedSample& sample : plan->samples) sampled.insert(sample.info.protocol);
  }
  for (const Protocol& protocol : suites_registry().protocols()) {
    EXPECT_TRUE(sampled.contains(protocol.id)) << protocol.id;
  }
}

}  // namespace
}  // namespace dropcheck::suites
