// How a run treats what is suspicious: repetition, fresh samples, verdicts.

#include "harness/stats/escalation.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "harness/core/descriptor.hpp"
#include "harness/run/runner.hpp"
#include "reference/reference_backend.hpp"
#include "suites/register.hpp"

namespace dropcheck {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::uint64_t kBlocks = 3;

/// What the check under test sees and says, stage by stage.
struct Script {
  std::map<std::uint64_t, double> p_value = {{1, 0.5}, {8, 0.5}, {64, 0.5}};  // by size of the sample
  bool stable = true;                // the same integers when repeated
  std::vector<std::uint64_t> sizes;  // of the samples judged
  std::vector<std::optional<Focus>> focuses;
  std::vector<std::set<std::uint64_t>> seeds;  // of the samples judged
  std::uint64_t judgements = 0;
};

class SeedSet final : public Observer {
 public:
  void observe(const StepRecord& record) override {
    if (record.seed) seeds.insert(*record.seed);
    ++records;
  }
  void merge(const Observer& later) override {
    const auto& other = dynamic_cast<const SeedSet&>(later);
    seeds.insert(other.seeds.begin(), other.seeds.end());
    records += other.records;
  }
  std::set<std::uint64_t> seeds;
  std::uint64_t records = 0;
};

class ScriptedCheck final : public Check {
 public:
  ScriptedCheck(const std::string& id, Script& script, Level level = Level::required)
      : Check(info_of(id, level)), script_(script) {}
  Applicability applies(const SampleInfo&) const override { return Applicability::yes(); }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override { return std::make_unique<SeedSet>(); }
  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& set = dynamic_cast<const SeedSet&>(seen);
    const std::uint64_t size = context.sample.blocks / kBlocks;
    script_.sizes.push_back(size);
    script_.focuses.push_back(context.focus);
    script_.seeds.push_back(set.seeds);
    ++script_.judgements;
    Statistic quiet;
    quiet.name = "quiet";
    quiet.alpha = context.alpha;
    quiet.p_value = 0.7;
    quiet.counts = {{"n", {set.records}}};
    Statistic loud = quiet;
    loud.name = "loud";
    loud.cell = 17;
    loud.p_value = script_.p_value.at(size);
    loud.log10_p = std::log10(loud.p_value);
    if (!script_.stable) loud.counts = {{"n", {script_.judgements}}};
    Judgement judgement;
    judgement.comparisons = set.records;
    judgement.statistics = {quiet, loud};
    if (loud.rejects()) {
      judgement.verdict = Verdict::fail;
      judgement.message = "the mask is too loud";
    }
    return judgement;
  }

 private:
  static CheckInfo info_of(const std::string& id, Level level) {
    CheckInfo info;
    info.id = id;
    info.level = level;
    info.title = "loudness";
    info.weight = 1e-2;  // a share of 1e-8 where the check runs on one sample
    info.protocols = {"mask"};
    return info;
  }
  Script& script_;
};

struct Bench {
  Registry registry;
  Capabilities capabilities = reference::ReferenceBackend().capabilities();
  std::string profile = fmt::format("mask {} op=dropout,p=0.3,shape=64,calls=1\n", kBlocks);
  RunnerOptions options;
  std::function<bool(const ResultRecord&)> is_expected;

  Bench() {
    suites::register_suites(registry);
    registry.add_backend(
        {"judged", "judged", "the judged", false,
         [](const std::string&, const BackendOptions&) { return reference::open_reference("", {}); }});
  }
  void add(const std::string& id, Script& script, Level level = Level::required) {
    registry.add_check(std::make_unique<ScriptedCheck>(id, script, level));
  }
  std::vector<ResultRecord> run() {
    registry.add_profile("bench", profile);
    PlanOptions choice;
    choice.profile = "bench";
    choice.check_glob = "own.*";
    const auto plan = make_plan(registry, choice);
    EXPECT_TRUE(plan.has_value());
    std::vector<ResultRecord> results;
    RunnerEvents events;
    events.on_result = [&](ResultRecord record) {
      const bool known = record.verdict == Verdict::fail && is_expected && is_expected(record);
      results.push_back(std::move(record));
      return known ? Verdict::expected_fail : results.back().verdict;
    };
    events.is_expected = is_expected;
    std::atomic<bool> stop{false};
    EXPECT_TRUE(run_plan(registry, *plan, "judged", capabilities, options, events, stop));
    return results;
  }
};

std::vector<std::string> outcomes(const ResultRecord& record) {
  std::vector<std::string> all;
  for (const StageRecord& s : record.stages) all.push_back(fmt::format("{} {}", s.stage, s.outcome));
  return all;
}

const stats::StageLevels kLevels = stats::stage_levels(1e-8);
const double kSuspicious1 = kLevels.suspicious1 * 0.9, kSuspicious2 = kLevels.suspicious2 * 0.9;

TEST(Escalation, LeavesAnOrdinaryResultAlone) {
  Script script;
  Bench bench;
  bench.add("own.check", script);
  const auto results = bench.run();
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].verdict, Verdict::pass);
  EXPECT_THAT(outcomes(results[0]), ElementsAre("1 pass"));
  EXPECT_THAT(script.sizes, ElementsAre(1u));
}

TEST(Escalation, FailsAtOnceBelowTheFirstLevel) {
  Script script;
  script.p_value[1] = kLevels.stage1_fail;
  Bench bench;
  bench.add("own.check", script);
  const auto results = bench.run();
  EXPECT_EQ(results.at(0).verdict, Verdict::fail);
  EXPECT_THAT(outcomes(results[0]), ElementsAre("1 fail"));
  EXPECT_THAT(script.sizes, ElementsAre(1u));
}

TEST(Escalation, TestsTheSuspiciousHypothesisAloneOnFreshSeeds) {
  Script script;
  script.p_value[1] = kSuspicious1;
  Bench bench;
  bench.profile = fmt::format("mask {} op=dropout,p=0.3,shape=64,seed=7,calls=1\n", kBlocks);
  bench.add("own.check", script);
  const auto results = bench.run();
  EXPECT_EQ(results.at(0).verdict, Verdict::pass);
  EXPECT_THAT(outcomes(results[0]), ElementsAre("1 suspicious", "1 reproduced", "2 pass"));
  EXPECT_THAT(results[0].message, HasSubstr("tested again on 8 times the sample and passed"));
  ASSERT_THAT(script.sizes, ElementsAre(1u, 1u, 8u));
  EXPECT_EQ(script.seeds[0], script.seeds[1]);
  EXPECT_TRUE(script.seeds[0].contains(7));
  for (const std::uint64_t seed : script.seeds[2]) EXPECT_FALSE(script.seeds[0].contains(seed));
  EXPECT_EQ(script.seeds[2].size(), 8 * kBlocks);
  EXPECT_FALSE(script.focuses[0].has_value());
  ASSERT_TRUE(script.focuses[2].has_value());
  EXPECT_EQ(script.focuses[2]->hypothesis, "loud");
  EXPECT_EQ(script.focuses[2]->cell, 17u);
  ASSERT_EQ(results[0].stages[2].statistics.size(), 1u);
  EXPECT_EQ(results[0].stages[2].statistics[0].name, "loud");
  EXPECT_EQ(results[0].stages[2].mask_entries, 64 * 8 * kBlocks);
}

TEST(Escalation, FailsWhereFreshDataConfirm) {
  Script script;
  script.p_value = {{1, kSuspicious1}, {8, kLevels.stage2_fail}, {64, 0.5}};
  Bench bench;
  bench.add("own.check", script);
  const auto results = bench.run();
  EXPECT_EQ(results.at(0).verdict, Verdict::fail);
  EXPECT_THAT(outcomes(results[0]), ElementsAre("1 suspicious", "1 reproduced", "2 fail"));
  EXPECT_THAT(results[0].message, HasSubstr("the mask is too loud"));
  EXPECT_THAT(results[0].message, HasSubstr("8 times the sample on fresh seeds confirms it"));
  EXPECT_FALSE(results[0].repro.empty());
}

TEST(Escalation, DecidesAtTheThirdStage) {
  for (const bool confirmed : {false, true}) {
    Script script;
    script.p_value = {{1, kSuspicious1}, {8, kSuspicious2}, {64, confirmed ? kLevels.stage3_fail : 0.5}};
    Bench bench;
    bench.add("own.check", script);
    const auto results = bench.run();
    EXPECT_EQ(results.at(0).verdict, confirmed ? Verdict::fail : Verdict::pass);
    EXPECT_THAT(outcomes(results[0]),
                ElementsAre("1 suspicious", "1 reproduced", "2 suspicious", confirmed ? "3 fail" : "3 pass"));
    EXPECT_EQ(results[0].stages[3].mask_entries, 64 * 64 * kBlocks);
  }
}

TEST(Escalation, FailsABackendWhoseSeedsDoNotReproduce) {
  Script script;
  script.p_value[1] = kSuspicious1;
  script.stable = false;
  Bench bench;
  bench.add("own.check", script);
  const auto results = bench.run();
  EXPECT_EQ(results.at(0).verdict, Verdict::fail);
  EXPECT_THAT(outcomes(results[0]), ElementsAre("1 suspicious", "1 not reproduced"));
  EXPECT_THAT(results[0].message, HasSubstr("the same seeds gave another mask"));
  EXPECT_THAT(script.sizes, ElementsAre(1u, 1u));
}

TEST(Escalation, RepeatsNothingOfABackendWithoutSeeds) {
  Script script;
  script.p_value[1] = kSuspicious1;
  script.stable = false;
  Bench bench;
  bench.capabilities.seed_semantics = SeedSemantics::none;
  bench.add("own.check", script);
  EXPECT_THAT(outcomes(bench.run().at(0)), ElementsAre("1 suspicious", "2 pass"));
}

TEST(Escalation, DecidesAtOnceWhereNoFreshDataCanBeHad) {
  for (const bool fails : {false, true}) {
    Script script;
    script.p_value[1] = fails ? 1e-8 : 1.001e-8;  // the whole share
    Bench bench;
    bench.capabilities.seed_semantics = SeedSemantics::fixed;
    bench.add("own.check", script);
    const auto results = bench.run();
    EXPECT_EQ(results.at(0).verdict, fails ? Verdict::fail : Verdict::pass);
    EXPECT_THAT(script.sizes, ElementsAre(1u));
  }
}

TEST(Escalation, PursuesNothingOnceSomethingHasFailed) {
  Script suspicious, failing;
  suspicious.p_value[1] = kSuspicious1;
  failing.p_value[1] = 1e-12;
  Bench bench;
  bench.add("own.a_suspicious", suspicious);
  bench.add("own.b_failing", failing);
  auto results = bench.run();
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].verdict, Verdict::inconclusive);
  EXPECT_THAT(results[0].message, HasSubstr("suspicious, not pursued: loud"));
  EXPECT_EQ(results[1].verdict, Verdict::fail);
  EXPECT_THAT(suspicious.sizes, ElementsAre(1u));

  bench.options.pursue = Pursue::always;
  EXPECT_THAT(outcomes(bench.run().at(0)), ElementsAre("1 suspicious", "1 reproduced", "2 pass"));
}

TEST(Escalation, PursuesNothingAtAllWhereItIsToldSo) {
  for (const bool fails : {false, true}) {
    Script script;
    script.p_value[1] = fails ? 1e-8 : 1.001e-8;  // the whole share
    script.stable = false;
    Bench bench;
    bench.options.pursue = Pursue::never;
    bench.add("own.check", script);
    const auto results = bench.run();
    EXPECT_EQ(results.at(0).verdict, fails ? Verdict::fail : Verdict::pass);
    EXPECT_THAT(outcomes(results.at(0)), ElementsAre(fails ? "1 fail" : "1 pass"));
    EXPECT_THAT(script.sizes, ElementsAre(1u));
  }
}

TEST(Escalation, PursuesBesideAKnownOrAdvisoryFailure) {
  for (const bool known : {true, false}) {
    Script suspicious, failing;
    suspicious.p_value[1] = kSuspicious1;
    failing.p_value[1] = 1e-12;
    Bench bench;
    bench.add("own.a_suspicious", suspicious);
    bench.add("own.b_failing", failing, known ? Level::required : Level::recommended);
    if (known) bench.is_expected = [](const ResultRecord& r) { return r.check == "own.b_failing"; };
    const auto results = bench.run();
    EXPECT_THAT(outcomes(results.at(0)), ElementsAre("1 suspicious", "1 reproduced", "2 pass")) << known;
  }
}

TEST(Escalation, KeepsPlanOrderWhileAnEarlierResultIsOpen) {
  Script suspicious, plain;
  suspicious.p_value[1] = kSuspicious1;
  Bench bench;
  bench.profile += fmt::format("mask {} op=dropout,p=0.5,shape=64,calls=1\n", kBlocks);
  bench.add("own.a", suspicious);
  bench.add("own.b", plain);
  bench.options.lanes = 3;
  std::vector<std::string> order;
  for (const ResultRecord& r : bench.run()) order.push_back(fmt::format("{} {}", r.check, r.problem));
  EXPECT_THAT(
      order,
      ElementsAre("own.a op=dropout,p=0.3,shape=64,calls=1", "own.b op=dropout,p=0.3,shape=64,calls=1",
                  "own.a op=dropout,p=0.5,shape=64,calls=1", "own.b op=dropout,p=0.5,shape=64,calls=1"));
}

}  // namespace
}  // namespace dropcheck
