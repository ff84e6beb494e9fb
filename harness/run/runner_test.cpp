#include "harness/run/runner.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "harness/core/descriptor.hpp"
#include "harness/stats/escalation.hpp"
#include "harness/testing/scripted_backend.hpp"
#include "reference/reference_backend.hpp"
#include "suites/register.hpp"

namespace dropcheck {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kSmallProfile =
    "mask 6 op=dropout,p=[0.1,0.5],shape=64x256,calls=2\n"
    "mask 3 op=dropout2d,p=0.3,dtype=bf16,shape=32x32x2x2,calls=1\n"
    "mask 2 op=alpha_dropout,p=0.2,shape=64x64,calls=3\n"
    "position 5 op=dropout,p=0.3,shape=67,calls=64\n"
    "exact 1 op=[dropout,alpha_dropout],p=0.15,dtype=[f32,bf16],shape=3x5x7\n"
    "exact 2 op=dropout3d,p=0.5,shape=2x3x2x2x2,layout=channels_last_3d\n";

/// What stands in for the backend under test, by the name "judged".
using Maker = std::function<Expected<std::unique_ptr<Backend>>()>;

Expected<std::unique_ptr<Backend>> make_reference() { return reference::open_reference("", {}); }

void add_judged(Registry& registry, Maker maker) {
  registry.add_backend({"judged", "judged", "the judged", false,
                        [maker](const std::string&, const BackendOptions&) { return maker(); }});
}

struct Outcome {
  bool finished = false;
  std::vector<ResultRecord> results;
  std::vector<std::vector<Incident>> incidents;  // by call of on_incidents
};

struct Asked {
  unsigned lanes = 1;
  bool fail_fast = false;
  Capabilities capabilities = reference::ReferenceBackend().capabilities();
  std::function<void(const ResultRecord&)> on_result = [](const ResultRecord&) {};
  std::function<void(std::uint64_t, std::uint64_t)> on_progress;
  std::atomic<bool>* stop = nullptr;
};

Outcome run(const Registry& registry, const PlanOptions& options, const Asked& asked = {}) {
  const auto plan = make_plan(registry, options);
  if (!plan) {
    ADD_FAILURE() << plan.error().message;
    return {};
  }
  Outcome outcome;
  RunnerOptions how;
  how.lanes = asked.lanes;
  how.fail_fast = asked.fail_fast;
  RunnerEvents events;
  events.on_result = [&](ResultRecord record) {
    asked.on_result(record);
    outcome.results.push_back(std::move(record));
    return outcome.results.back().verdict;
  };
  events.on_progress = asked.on_progress;
  events.on_incidents = [&](const std::vector<Incident>& list) { outcome.incidents.push_back(list); };
  std::atomic<bool> never{false};
  outcome.finished = run_plan(registry, *plan, "judged", asked.capabilities, how, events,
                              asked.stop != nullptr ? *asked.stop : never);
  return outcome;
}

PlanOptions mine() {
  PlanOptions options;
  options.profile = "mine";
  return options;
}

Registry suites_registry(Maker maker, const std::string& profile = kSmallProfile) {
  Registry registry;
  suites::register_suites(registry);
  registry.add_profile("mine", profile);
  add_judged(registry, std::move(maker));
  return registry;
}

/// Every field of a result.
std::string text_of(const ResultRecord& r) {
  std::string text =
      fmt::format("{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}\n", r.backend, r.check, r.level, r.problem, r.protocol,
                  to_string(r.verdict), r.comparisons, r.message, r.repro, r.missing, r.reason);
  for (const StageRecord& s : r.stages)
    text += fmt::format("  stage {} {} {}\n", s.stage, s.mask_entries, s.outcome);
  for (const Statistic& s : r.statistics) {
    text += fmt::format("  {} {} {} {} {} {} {} {} {}", s.id, s.version, s.name, s.null_law, s.engine,
                        s.value, s.p_value, s.log10_p, s.alpha);
    for (const auto& [name, values] : s.counts) {
      text += " " + name;
      for (const Int128 v : values) text += "," + to_string(v);
    }
    for (const auto& [name, value] : s.null_parameters) text += fmt::format(" {}={}", name, value);
    if (s.effect)
      text += fmt::format(" effect {} {} {} {}", s.effect->value, s.effect->unit,
                          s.effect->lower.value_or(-1), s.effect->upper.value_or(-1));
    if (const auto& m = s.minimum_detectable_effect)
      text += fmt::format(" caught {} {} {}", m->value, m->unit, m->power);
    text += "\n";
  }
  return text;
}

std::vector<std::string> texts_of(const Outcome& outcome) {
  std::vector<std::string> texts;
  for (const ResultRecord& r : outcome.results) texts.push_back(text_of(r));
  return texts;
}

TEST(Runner, GivesTheSameResultsOnAnyNumberOfLanes) {
  const Registry registry = suites_registry(make_reference);
  const Outcome one = run(registry, mine());
  EXPECT_TRUE(one.finished);
  ASSERT_GT(one.results.size(), 50u);
  EXPECT_TRUE(std::any_of(one.results.begin(), one.results.end(),
                          [](const ResultRecord& r) { return !r.statistics.empty(); }));
  for (const unsigned lanes : {2u, 5u}) {
    Asked asked;
    asked.lanes = lanes;
    const Outcome many = run(registry, mine(), asked);
    EXPECT_TRUE(many.finished);
    EXPECT_EQ(texts_of(many), texts_of(one)) << lanes;
  }
}

TEST(Runner, PassesTheReferenceAndDependsOnTheMasterSeed) {
  const Registry registry = suites_registry(make_reference);
  const Outcome one = run(registry, mine());
  for (const ResultRecord& r : one.results) {
    EXPECT_EQ(r.verdict, Verdict::pass) << text_of(r);
    EXPECT_GT(r.comparisons, 0u) << text_of(r);
    EXPECT_EQ(r.backend, "judged");
    EXPECT_TRUE(r.repro.empty());
  }
  PlanOptions other = mine();
  other.master_seed = 99;
  EXPECT_NE(texts_of(run(registry, other)), texts_of(one));
}

TEST(Runner, HandsResultsOverInPlanOrder) {
  const Registry registry = suites_registry(make_reference);
  const auto plan = make_plan(registry, mine());
  ASSERT_TRUE(plan);
  std::vector<std::string> planned, given;
  for (const PlannedSample& sample : plan->samples)
    for (const PlannedCell& cell : sample.cells)
      planned.push_back(cell.check->info().id + " " + sample.info.protocol + " " + sample.case_text());
  Asked asked;
  asked.lanes = 3;
  for (const ResultRecord& r : run(registry, mine(), asked).results)
    given.push_back(r.check + " " + r.protocol + " " + r.problem);
  EXPECT_EQ(given, planned);
}

TEST(Runner, JudgesTheReferenceRightOnCasesOfEveryKind) {
  const Registry registry = suites_registry(make_reference);
  for (const char* text :
       {"op=dropout,p=0.3,shape=4096", "op=dropout,p=0,shape=4096", "op=dropout,p=-0,shape=4096",
        "op=dropout,p=1,shape=4096", "op=dropout,p=0.3,shape=64x64,layout=expanded",
        "op=dropout2d,p=0.3,shape=16x16x2x4,layout=strided,dtype=f16",
        "op=dropout,p=0.3,shape=64x64,inplace=true", "op=alpha_dropout,p=0.3,shape=4096,seed=7,calls=3",
        "op=dropout,p=0.3,shape=4096,threads=2,offset=1", "op=feature_alpha_dropout,p=0,shape=64x64",
        "op=dropout,p=5e-324,shape=4096"}) {
    PlanOptions options = mine();
    options.only_case = *parse_descriptor(text);
    const Outcome outcome = run(registry, options);
    EXPECT_TRUE(outcome.finished) << text;
    EXPECT_FALSE(outcome.results.empty()) << text;
    for (const ResultRecord& r : outcome.results)
      EXPECT_TRUE(r.verdict == Verdict::pass || r.verdict == Verdict::inconclusive) << text_of(r);
  }
}

TEST(Runner, JudgesTheReferenceRightWhereNoMaskIsShown) {
  const Registry registry = suites_registry(make_reference);
  for (const char* text : {"op=dropout,p=0.3,shape=4096,mode=eval", "op=alpha_dropout,p=1,shape=4096",
                           "op=dropout,p=0.3,shape=0", "op=dropout2d,p=0.3,shape=4x4x0x2"}) {
    PlanOptions options = mine();
    options.only_case = *parse_descriptor(text);
    const Outcome outcome = run(registry, options);
    EXPECT_FALSE(outcome.results.empty()) << text;
    for (const ResultRecord& r : outcome.results)
      EXPECT_TRUE(r.verdict == Verdict::pass || r.verdict == Verdict::inconclusive) << text_of(r);
  }
}

// ---- checks and protocols of the tests' own

/// Counts what it sees and notes in which order blocks come together.
class Tally final : public Observer {
 public:
  explicit Tally(std::function<void(const StepRecord&)> look, bool throws_on_merge)
      : look_(std::move(look)), throws_on_merge_(throws_on_merge) {}
  void observe(const StepRecord& record) override {
    if (look_) look_(record);
    ++seen;
    if (blocks.empty() || blocks.back() != record.block) blocks.push_back(record.block);
  }
  void merge(const Observer& later) override {
    if (throws_on_merge_) throw std::runtime_error("broken on merge");
    const auto& other = static_cast<const Tally&>(later);
    seen += other.seen;
    blocks.insert(blocks.end(), other.blocks.begin(), other.blocks.end());
  }
  std::uint64_t seen = 0;
  std::vector<std::uint64_t> blocks;

 private:
  std::function<void(const StepRecord&)> look_;
  bool throws_on_merge_;
};

class OwnCheck final : public Check {
 public:
  explicit OwnCheck(const std::string& id, std::vector<std::string> protocols = {"plain"})
      : Check([&] {
          CheckInfo info;
          info.id = id;
          info.protocols = std::move(protocols);
          return info;
        }()) {}
  explicit OwnCheck(CheckInfo info) : Check(std::move(info)) {}

  Applicability applies(const SampleInfo&) const override { return Applicability::yes(); }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<Tally>(look, throws_on_merge);
  }
  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& tally = static_cast<const Tally&>(seen);
    if (judged) return judged(tally, context);
    Judgement judgement;
    judgement.comparisons = tally.seen;
    judgement.message = fmt::format("blocks {}", fmt::join(tally.blocks, " "));
    return judgement;
  }
  std::optional<Exploration> explore(Explorer& explorer) const override {
    return explored ? explored(explorer) : std::nullopt;
  }

  std::function<void(const StepRecord&)> look;
  std::function<Judgement(const Tally&, const JudgeContext&)> judged;
  std::function<std::optional<Exploration>(Explorer&)> explored;
  bool throws_on_merge = false;
};

Protocol plain_protocol(std::vector<Feature> needs = {}) {
  Protocol p;
  p.id = "plain";
  p.default_calls = 1;
  p.takes_calls = true;
  p.needs = std::move(needs);
  p.streaming = true;
  p.steps = [](const SampleInfo& sample, std::uint64_t) {
    Step step;
    step.problem = sample.problem;
    step.seed_slot = 0;
    return std::vector<Step>{step};
  };
  return p;
}

/// A registry with one protocol of one call, and a profile of one case and a few blocks.
struct Own {
  Registry registry;
  explicit Own(Maker maker = make_reference,
               const std::string& profile = "plain 4 op=dropout,p=0.5,shape=64\n",
               std::vector<Feature> needs = {}) {
    registry.add_protocol(plain_protocol(std::move(needs)));
    registry.add_profile("mine", profile);
    add_judged(registry, std::move(maker));
  }
  OwnCheck& check(std::unique_ptr<OwnCheck> made) {
    OwnCheck& handle = *made;
    registry.add_check(std::move(made));
    return handle;
  }
  OwnCheck& check(const std::string& id) { return check(std::make_unique<OwnCheck>(id)); }
  Outcome run(const Asked& asked = {}) const { return dropcheck::run(registry, mine(), asked); }
};

Judgement failing(const Tally& tally, const JudgeContext&) {
  Judgement judgement;
  judgement.verdict = Verdict::fail;
  judgement.comparisons = tally.seen;
  judgement.message = "as planned";
  return judgement;
}

TEST(Runner, MergesBlocksInTheirOrder) {
  Own own(make_reference, "plain 9 op=dropout,p=0.5,shape=64\n");
  own.check("own.order");
  for (const unsigned lanes : {1u, 4u}) {
    Asked asked;
    asked.lanes = lanes;
    const Outcome outcome = own.run(asked);
    ASSERT_EQ(outcome.results.size(), 1u);
    EXPECT_EQ(outcome.results[0].message, "blocks 0 1 2 3 4 5 6 7 8");
    EXPECT_EQ(outcome.results[0].comparisons, 9u);
  }
}

TEST(Runner, DescribesAResultCompletely) {
  Own own;
  CheckInfo info;
  info.id = "own.advice";
  info.level = Level::recommended;
  info.protocols = {"plain"};
  own.check(std::make_unique<OwnCheck>(info)).judged = failing;
  own.check("own.fine");
  const Outcome outcome = own.run();
  ASSERT_EQ(outcome.results.size(), 2u);
  const ResultRecord& r = outcome.results[0];
  EXPECT_EQ(r.check, "own.advice");
  EXPECT_EQ(r.level, "recommended");
  EXPECT_EQ(r.problem, "op=dropout,p=0.5,shape=64");
  EXPECT_EQ(r.protocol, "plain");
  EXPECT_EQ(r.message, "as planned");
  ASSERT_EQ(r.stages.size(), 1u);
  EXPECT_EQ(r.stages[0].mask_entries, 4u * 64u);
  EXPECT_EQ(r.stages[0].outcome, "fail");
  EXPECT_EQ(r.repro,
            "dropcheck run --backend=judged --profile=mine --seed=0x5eed --alpha=1e-06 --check=own.advice "
            "--case=op=dropout,p=0.5,shape=64");
  EXPECT_EQ(outcome.results[1].level, "required");
  EXPECT_TRUE(outcome.results[1].repro.empty());
}

TEST(Runner, TellsAJudgeItsSampleAndShare) {
  Own own;
  CheckInfo info;
  info.id = "own.share";
  info.weight = 0.25;
  info.protocols = {"plain"};
  own.check(std::make_unique<OwnCheck>(info)).judged = [](const Tally& tally, const JudgeContext& context) {
    EXPECT_EQ(context.alpha, stats::stage_levels(kDefaultAlpha * 0.25).stage1_fail);
    EXPECT_EQ(context.sample.blocks, 4u);
    EXPECT_EQ(context.capabilities->name, "reference");
    EXPECT_NE(context.pit_key, 0u);
    Judgement judgement;
    judgement.comparisons = tally.seen;
    return judgement;
  };
  EXPECT_EQ(own.run().results.at(0).verdict, Verdict::pass);
}

TEST(Runner, TakesAnExceptionOfACheckForAnError) {
  Own own;
  own.check("own.throws").judged = [](const Tally&, const JudgeContext&) -> Judgement {
    throw std::runtime_error("broken in judge");
  };
  own.check("own.fine");
  const Outcome outcome = own.run();
  ASSERT_EQ(outcome.results.size(), 2u);
  EXPECT_EQ(outcome.results[0].verdict, Verdict::error);
  EXPECT_EQ(outcome.results[0].message, "the check itself failed: broken in judge");
  EXPECT_THAT(outcome.results[0].repro, HasSubstr("--check=own.throws"));
  EXPECT_EQ(outcome.results[1].verdict, Verdict::pass) << "another check is not concerned";
}

TEST(Runner, TakesAnExceptionOfAnObserverForAnErrorOfTheSample) {
  Own own;
  own.check("own.throws").look = [](const StepRecord& record) {
    if (record.block == 2) throw std::runtime_error("broken on sight");
  };
  const Outcome outcome = own.run();
  ASSERT_EQ(outcome.results.size(), 1u);
  EXPECT_EQ(outcome.results[0].verdict, Verdict::error);
  EXPECT_THAT(outcome.results[0].message, HasSubstr("broken on sight"));
}

TEST(Runner, TakesAnExceptionOfAMergeForAnError) {
  Own own;
  own.check("own.throws").throws_on_merge = true;
  const Outcome outcome = own.run();
  ASSERT_EQ(outcome.results.size(), 1u);
  EXPECT_EQ(outcome.results[0].verdict, Verdict::error);
  EXPECT_THAT(outcome.results[0].message, HasSubstr("broken on merge"));
}

TEST(Runner, NeverPassesACheckThatComparedNothing) {
  Own own;
  own.check("own.idle").judged = [](const Tally&, const JudgeContext&) { return Judgement{}; };
  const Outcome outcome = own.run();
  ASSERT_EQ(outcome.results.size(), 1u);
  EXPECT_EQ(outcome.results[0].verdict, Verdict::inconclusive);
  EXPECT_THAT(outcome.results[0].message, StartsWith("invalid: the check made no comparison"));
  EXPECT_THAT(outcome.results[0].repro, Not(IsEmpty()));
}

void expect_unsupported(const Outcome& outcome, const std::string& missing) {
  EXPECT_TRUE(outcome.finished);
  ASSERT_EQ(outcome.results.size(), 1u);
  const ResultRecord& r = outcome.results[0];
  EXPECT_EQ(r.verdict, Verdict::unsupported);
  EXPECT_EQ(r.missing, missing);
  EXPECT_THAT(r.message, HasSubstr(missing));
  EXPECT_TRUE(r.stages.empty());
  EXPECT_TRUE(r.repro.empty());
}

TEST(Runner, NamesTheCapabilityThatIsMissing) {
  Asked asked;
  Own by_problem(make_reference, "plain 1 op=dropout,p=0.5,shape=64,layout=strided\n");
  by_problem.check("own.any");
  asked.capabilities.layouts = {Layout::contiguous};
  expect_unsupported(by_problem.run(asked), "layout strided");

  Own by_protocol(make_reference, "plain 1 op=dropout,p=0.5,shape=64\n", {Feature::backward});
  by_protocol.check("own.any");
  asked.capabilities.backward = false;
  expect_unsupported(by_protocol.run(asked), "backward");

  Own by_check;
  CheckInfo info;
  info.id = "own.any";
  info.protocols = {"plain"};
  info.needs = {Feature::threads};
  by_check.check(std::make_unique<OwnCheck>(info));
  asked.capabilities.threads = false;
  expect_unsupported(by_check.run(asked), "threads");
}

TEST(Runner, TakesARefusalOfTheBackendAsUnsupported) {
  Own own([]() -> Expected<std::unique_ptr<Backend>> {
    auto backend = std::make_unique<testing::ScriptedBackend>();
    backend->on_forward = [](const Call&) -> Expected<Observation> {
      return Error{ErrorCode::unsupported, "no vectors of 64"};
    };
    return std::unique_ptr<Backend>(std::move(backend));
  });
  own.check("own.any");
  expect_unsupported(own.run(), "no vectors of 64");
}

/// Zeros in y, and what `spoil` does besides.
Maker scripted(std::function<Expected<Observation>(const Call&)> spoil) {
  return [spoil]() -> Expected<std::unique_ptr<Backend>> {
    auto backend = std::make_unique<testing::ScriptedBackend>();
    backend->on_forward = [spoil](const Call& call) -> Expected<Observation> {
      std::memset(call.y.view.data, 0,
                  static_cast<std::size_t>(call.y.view.count()) * call.y.view.element_size());
      return spoil(call);
    };
    return std::unique_ptr<Backend>(std::move(backend));
  };
}

TEST(Runner, FailsEveryCheckOfASampleWhoseMemoryWasMisused) {
  int calls = 0;
  Own own(scripted([&calls](const Call& call) -> Expected<Observation> {
    ++calls;
    if (calls == 2) return Error{ErrorCode::backend_failed, "hiccup"};
    if (calls == 4) call.y.view.data[-1] = std::byte{0};
    return Observation{};
  }));
  own.check("own.one");
  own.check("own.two");
  const Outcome outcome = own.run();
  ASSERT_EQ(outcome.results.size(), 2u);
  for (const ResultRecord& r : outcome.results) {
    EXPECT_EQ(r.verdict, Verdict::fail) << "memory misuse outranks an error of another block";
    EXPECT_THAT(r.message, HasSubstr("outside the tensor"));
  }
}

TEST(Runner, ErrsWhereOneBlockGaveNoResult) {
  int calls = 0;
  Own own(scripted([&calls](const Call&) -> Expected<Observation> {
    if (++calls == 3) return Error{ErrorCode::timeout, "no answer"};
    return Observation{};
  }));
  own.check("own.one");
  const Outcome outcome = own.run();
  ASSERT_EQ(outcome.results.size(), 1u);
  EXPECT_EQ(outcome.results[0].verdict, Verdict::error);
  EXPECT_THAT(outcome.results[0].message, HasSubstr("(timeout): no answer"));
}

constexpr const char* kThreeCases = "plain 2 op=dropout,p=[0.1,0.2,0.3],shape=64\n";

TEST(Runner, StopsAtTheFirstFailureWhenAsked) {
  for (const unsigned lanes : {1u, 3u}) {
    Own own(make_reference, kThreeCases);
    own.check("own.fine");
    own.check("own.second").judged = [](const Tally& tally, const JudgeContext& context) {
      Judgement judgement = failing(tally, context);
      if (context.sample.problem.p != 0.2) judgement.verdict = Verdict::pass;
      return judgement;
    };
    own.check("own.third");
    Asked asked;
    asked.lanes = lanes;
    asked.fail_fast = true;
    const Outcome outcome = own.run(asked);
    EXPECT_FALSE(outcome.finished);
    ASSERT_EQ(outcome.results.size(), 5u);
    EXPECT_EQ(outcome.results.back().check, "own.second");
    EXPECT_EQ(outcome.results.back().problem, "op=dropout,p=0.2,shape=64");
    asked.fail_fast = false;
    EXPECT_EQ(own.run(asked).results.size(), 9u);
  }
}

TEST(Runner, StopsWhenToldTo) {
  Own own(make_reference, kThreeCases);
  own.check("own.fine");
  std::atomic<bool> stop{true};
  Asked asked;
  asked.stop = &stop;
  Outcome outcome = own.run(asked);
  EXPECT_FALSE(outcome.finished);
  EXPECT_TRUE(outcome.results.empty());
  stop = false;
  asked.on_result = [&](const ResultRecord&) { stop = true; };
  outcome = own.run(asked);
  EXPECT_FALSE(outcome.finished);
  EXPECT_EQ(outcome.results.size(), 1u);
}

/// The reference, which tells an incident when it is closed.
class TellingBackend final : public reference::ReferenceBackend {
 public:
  explicit TellingBackend(std::atomic<int>& closed) : closed_(closed) {}
  std::vector<Incident> close() override {
    ++closed_;
    return {{"sneezed", 2, "call"}};
  }

 private:
  std::atomic<int>& closed_;
};

TEST(Runner, ClosesTheBackendsOfAllLanesAndAddsUpWhatTheyTell) {
  std::atomic<int> closed{0};
  Own own([&] { return Expected<std::unique_ptr<Backend>>(std::make_unique<TellingBackend>(closed)); },
          kThreeCases);
  own.check("own.fine");
  Asked asked;
  asked.lanes = 3;
  const Outcome outcome = own.run(asked);
  EXPECT_TRUE(outcome.finished);
  EXPECT_EQ(closed, 3);
  ASSERT_EQ(outcome.incidents.size(), 1u) << "told once, at the end";
  EXPECT_THAT(incident_texts(outcome.incidents[0]), ElementsAre("sneezed (6 calls)"));
}

TEST(Runner, TellsIncidentsAlsoOfARunThatWasStopped) {
  std::atomic<int> closed{0};
  Own own([&] { return Expected<std::unique_ptr<Backend>>(std::make_unique<TellingBackend>(closed)); },
          kThreeCases);
  own.check("own.fine");
  std::atomic<bool> stop{false};
  Asked asked;
  asked.stop = &stop;
  asked.on_result = [&](const ResultRecord&) { stop = true; };
  const Outcome outcome = own.run(asked);
  EXPECT_FALSE(outcome.finished);
  ASSERT_EQ(outcome.incidents.size(), 1u);
  EXPECT_THAT(incident_texts(outcome.incidents[0]), ElementsAre("sneezed (2 calls)"));
}

TEST(Runner, DoesNotJudgeASampleThatWasCutShort) {
  Own own(make_reference, kThreeCases);
  std::atomic<bool> stop{false};
  std::atomic<bool> judged{false};
  OwnCheck& check = own.check("own.fine");
  check.look = [&](const StepRecord&) { stop = true; };
  check.judged = [&](const Tally&, const JudgeContext&) {
    judged = true;
    return Judgement{};
  };
  Asked asked;
  asked.stop = &stop;
  EXPECT_TRUE(own.run(asked).results.empty());
  EXPECT_FALSE(judged);
}

TEST(Runner, ErrsWhereALaneCannotOpenTheBackend) {
  Own own([]() -> Expected<std::unique_ptr<Backend>> {
    return Error{ErrorCode::resource_exhausted, "no more workers"};
  });
  own.check("own.fine");
  CheckInfo property;
  property.id = "own.random_problems";
  own.check(std::make_unique<OwnCheck>(property));
  for (const unsigned lanes : {1u, 3u}) {
    Asked asked;
    asked.lanes = lanes;
    const Outcome outcome = own.run(asked);
    EXPECT_TRUE(outcome.finished);
    ASSERT_EQ(outcome.results.size(), 2u);
    for (const ResultRecord& r : outcome.results) {
      EXPECT_EQ(r.verdict, Verdict::error) << r.check;
      EXPECT_EQ(r.message, "no more workers");
    }
  }
}

TEST(Runner, ReportsProgressUpToTheTotal) {
  Own own(make_reference, kThreeCases);
  own.check("own.fine");
  std::uint64_t last = 0, all = 0;
  Asked asked;
  asked.lanes = 2;
  asked.on_progress = [&](std::uint64_t done, std::uint64_t total) {
    EXPECT_GE(done, last);
    last = done;
    all = total;
  };
  own.run(asked);
  EXPECT_GT(all, 0u);
  EXPECT_EQ(last, all);
}

// ---- property checks

/// The reference, except that it drops the first element of any tensor with an extent of 4 or more wrongly.
class SubtlyWrong final : public reference::ReferenceBackend {
 public:
  Expected<Observation> forward(const Call& call) override {
    auto seen = ReferenceBackend::forward(call);
    const TensorView& y = call.in_place ? call.x.view : call.y.view;
    const bool large = std::any_of(y.shape.begin(), y.shape.end(), [](std::int64_t n) { return n >= 4; });
    if (seen && call.mode == Mode::train && call.op == Op::dropout && y.dtype == DType::f32 && large) {
      float first = 0;
      std::memcpy(&first, y.data, sizeof first);
      first *= 1.25f;
      std::memcpy(y.data, &first, sizeof first);
    }
    return seen;
  }
};

TEST(Runner, ShrinksACounterExampleAndSaysHowToRerunIt) {
  const Registry registry = suites_registry(
      []() -> Expected<std::unique_ptr<Backend>> {
        return std::unique_ptr<Backend>(std::make_unique<SubtlyWrong>());
      },
      "eval 1 op=dropout,p=0.5,shape=2\n");
  PlanOptions options = mine();
  options.check_glob = "unbiasedness.random_problems";
  const Outcome found = run(registry, options);
  ASSERT_EQ(found.results.size(), 1u);
  const ResultRecord& r = found.results[0];
  EXPECT_EQ(r.verdict, Verdict::fail);
  EXPECT_EQ(r.problem, kRandomProblems);
  const std::string start =
      "dropcheck run --backend=judged --profile=mine --seed=0x5eed --alpha=1e-06 "
      "--check=unbiasedness.kept_value --case=";
  ASSERT_THAT(r.repro, StartsWith(start));
  const auto shrunk = parse_descriptor(r.repro.substr(start.size()));
  ASSERT_TRUE(shrunk) << r.repro;
  EXPECT_EQ(element_count(shrunk->shape), 4) << "one extent of 4, all others of 1";
  EXPECT_EQ(shrunk->layout, Layout::contiguous);
  EXPECT_THAT(r.message, HasSubstr("unbiasedness.kept_value on " + print_descriptor(*shrunk)));

  options.check_glob = "unbiasedness.kept_value";
  options.only_case = *shrunk;
  const Outcome again = run(registry, options);
  EXPECT_TRUE(std::any_of(again.results.begin(), again.results.end(), [](const ResultRecord& again_r) {
    return again_r.verdict == Verdict::fail && again_r.check == "unbiasedness.kept_value";
  })) << "the repro line must decide alike";
}

/// Runs one property check of the test's own.
Outcome explored(std::function<std::optional<Exploration>(Explorer&)> explore) {
  Own own(make_reference, "plain 1 op=dropout,p=0.5,shape=64\n");
  CheckInfo info;
  info.id = "own.random_problems";
  own.check(std::make_unique<OwnCheck>(info)).explored = std::move(explore);
  return own.run();
}

TEST(Runner, NeverPassesAnExplorationThatBrokeOff) {
  const Outcome threw =
      explored([](Explorer&) -> std::optional<Exploration> { throw std::runtime_error("lost"); });
  ASSERT_EQ(threw.results.size(), 1u);
  EXPECT_EQ(threw.results[0].verdict, Verdict::error);
  EXPECT_THAT(threw.results[0].message, HasSubstr("lost"));
  const Outcome none = explored([](Explorer&) -> std::optional<Exploration> { return std::nullopt; });
  EXPECT_EQ(none.results.at(0).verdict, Verdict::error);
  const Outcome idle = explored([](Explorer&) -> std::optional<Exploration> { return Exploration{}; });
  EXPECT_EQ(idle.results.at(0).verdict, Verdict::inconclusive);
}

TEST(Runner, SeedsAnExplorationFromTheMasterSeedAndTheCheck) {
  const auto seed_of = [](std::uint64_t master, const std::string& id) {
    std::uint64_t seed = 0;
    Own own;
    CheckInfo info;
    info.id = id;
    own.check(std::make_unique<OwnCheck>(info)).explored = [&](Explorer& explorer) {
      seed = explorer.seed();
      EXPECT_FALSE(explorer.stopping());
      EXPECT_EQ(explorer.capabilities().name, "reference");
      return std::optional<Exploration>();
    };
    PlanOptions options = mine();
    options.master_seed = master;
    run(own.registry, options);
    return seed;
  };
  EXPECT_EQ(seed_of(1, "own.random_problems"), seed_of(1, "own.random_problems"));
  EXPECT_NE(seed_of(1, "own.random_problems"), seed_of(2, "own.random_problems"));
  EXPECT_NE(seed_of(1, "own.random_problems"), seed_of(1, "other.random_problems"));
}

TEST(Runner, OffersTheExactChecksOfASuiteToItsProperty) {
  Registry registry = suites_registry(make_reference);
  CheckInfo info;
  info.id = "unbiasedness.mine";
  auto own = std::make_unique<OwnCheck>(info);
  std::vector<std::string> ids;
  own->explored = [&](Explorer& explorer) {
    ids = explorer.exact_checks("unbiasedness");
    Exploration exploration;
    const auto judged =
        explorer.try_check("unbiasedness.kept_value", *parse_descriptor("op=dropout,p=0.3,shape=64"));
    EXPECT_TRUE(judged.has_value());
    if (judged) exploration.judgement = *judged;
    EXPECT_FALSE(
        explorer.try_check("gradient_consistency.value", *parse_descriptor("op=dropout,p=1,shape=64")))
        << "where a check does not apply there is nothing to judge";
    return std::optional(exploration);
  };
  registry.add_check(std::move(own));
  PlanOptions options = mine();
  options.check_glob = "unbiasedness.mine";
  const Outcome outcome = run(registry, options);
  EXPECT_THAT(ids, ElementsAre("unbiasedness.kept_value"));
  ASSERT_EQ(outcome.results.size(), 1u);
  EXPECT_EQ(outcome.results[0].verdict, Verdict::pass);
  EXPECT_GT(outcome.results[0].comparisons, 0u);
}

TEST(Runner, TriesAsManyRandomProblemsAsTheProfileSays) {
  Registry registry = suites_registry(make_reference);
  registry.add_profile("few", "values 1 op=dropout,p=0.3,shape=2\nrandom_problems 7\n");
  PlanOptions options;
  options.profile = "few";
  options.check_glob = "unbiasedness.random_problems";
  const Outcome outcome = run(registry, options);
  ASSERT_EQ(outcome.results.size(), 1u);
  EXPECT_THAT(outcome.results[0].message, HasSubstr("on 7 random problems"));
}

TEST(Runner, NeverPassesRandomProblemsWhoseCheckThrew) {
  Registry registry = suites_registry(make_reference);
  auto own = std::make_unique<OwnCheck>("unbiasedness.throws", std::vector<std::string>{"values"});
  own->look = [](const StepRecord&) { throw std::runtime_error("broken on sight"); };
  registry.add_check(std::move(own));
  PlanOptions options = mine();
  options.check_glob = "unbiasedness.random_problems";
  const Outcome outcome = run(registry, options);
  ASSERT_EQ(outcome.results.size(), 1u);
  EXPECT_EQ(outcome.results[0].verdict, Verdict::error);
  EXPECT_THAT(outcome.results[0].message, HasSubstr("broken on sight"));
}

}  // namespace
}  // namespace dropcheck
