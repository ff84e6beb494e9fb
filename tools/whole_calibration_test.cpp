// `dropcheck calibrate --full`: its limits, its state file, its page, and laws that were spoilt on purpose.
#include "tools/whole_calibration.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "harness/run/runner.hpp"
#include "reference/reference_backend.hpp"
#include "suites/protocols.hpp"
#include "suites/register.hpp"
#include "suites/required_effects.hpp"
#include "tools/commands.hpp"
#include "tools/registration.hpp"
#include "tools/testing/spoilt_check.hpp"
#include "tools/whole_calibration_page.hpp"
#include "tools/whole_calibration_state.hpp"

namespace dropcheck::tools {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

const Registry& real_registry() {
  static const Registry registry = make_registry(suites::pytorch_dialect());
  return registry;
}

Plan plan_of_profile(const std::string& profile) {
  PlanOptions options;
  options.profile = profile;
  auto plan = make_plan(real_registry(), options);
  EXPECT_TRUE(plan) << plan.error().message;
  return *std::move(plan);
}

std::set<std::string> statistical_checks(const Plan& plan) {
  std::set<std::string> ids;
  for (const PlannedSample& sample : plan.samples)
    for (const PlannedCell& cell : sample.cells)
      if (cell.alpha > 0) ids.insert(cell.check->info().id);
  return ids;
}

/// Engines of the statistics that one run of the cpu backend computes.
std::set<std::string> engines_of(const Plan& plan) {
  std::set<std::string> engines;
  RunnerEvents events;
  events.on_result = [&](const ResultRecord& result) {
    for (const Statistic& s : result.statistics) engines.insert(s.engine);
    return result.verdict;
  };
  auto backend = real_registry().open("cpu", {});
  EXPECT_TRUE(backend);
  const Capabilities capabilities = (*backend)->capabilities();
  std::atomic<bool> stop = false;
  RunnerOptions options;
  options.pursue = Pursue::never;
  options.lanes = 2;
  EXPECT_TRUE(run_plan(real_registry(), plan, "cpu", capabilities, options, events, stop));
  return engines;
}

TEST(CalibrationProfile, PlansEveryStatisticalCheckOfQuick) {
  // Three rows draw millions of elements from streams that only CUDA backends claim; the clean ones would be
  // asked in vain.
  const std::set<std::string> left_out = {"pytorch_semantics.row_77", "pytorch_semantics.row_81",
                                          "pytorch_semantics.row_82"};
  const std::set<std::string> planned = statistical_checks(plan_of_profile(suites::kCalibrationProfile));
  for (const std::string& id : statistical_checks(plan_of_profile("quick")))
    EXPECT_NE(planned.contains(id), left_out.contains(id)) << id;
}

TEST(CalibrationProfile, MeetsEveryEngineOfQuick) {
#ifdef DROPCHECK_SLOW_BUILD
  GTEST_SKIP() << "the whole of quick takes minutes in this build";
#endif
  const std::set<std::string> met = engines_of(plan_of_profile(suites::kCalibrationProfile));
  for (const std::string& engine : engines_of(plan_of_profile("quick")))
    EXPECT_TRUE(met.contains(engine)) << engine;
}

TEST(CalibrationProfile, SpendsNoMoreThanItsBudgetAndStaysSmall) {
  const Plan plan = plan_of_profile(suites::kCalibrationProfile);
  double spent = 0;
  for (const PlannedSample& sample : plan.samples)
    for (const PlannedCell& cell : sample.cells) {
      spent += cell.alpha * cell.hypotheses;
      EXPECT_FALSE(cell.required.has_value()) << "it is for correct backends and finds nothing";
    }
  EXPECT_LE(spent, plan.alpha);
  EXPECT_GT(spent, 0.75 * plan.alpha);
  EXPECT_LE(plan.elements(), 10'000'000u);
}

TEST(WholeLimits, AreThoseOfTheBinomialLaw) {
  struct Row {
    std::uint64_t runs;
    std::array<std::uint64_t, 3> most;
  };
  for (const Row& row :
       {Row{10'000, {610, 152, 29}}, Row{100'000, {5341, 1158, 153}}, Row{1'000'000, {51070, 10490, 1158}}})
    for (std::size_t i = 0; i < 3; ++i)
      EXPECT_EQ(most_of(row.runs, kAlarmLevels[i + 1], kWholeError / 2), row.most[i]) << row.runs << " " << i;
  EXPECT_EQ(most_of(10, 0, 1e-6), 0u);
  EXPECT_EQ(most_of(10, 1, 1e-6), 10u);
  EXPECT_EQ(most_of(0, 0.5, 1e-6), 0u);
}

constexpr const char* kRealChecks[] = {"mask_rate.drop_rate",           "mask_rate.lanes",
                                       "mask_rate.dispersion",          "mask_rate.drift",
                                       "channel_correlation.lags",      "channel_correlation.structural_lags",
                                       "channel_correlation.serial",    "channel_correlation.axes",
                                       "channel_correlation.boundaries"};
constexpr std::uint64_t kRuns = 1000;

/// A few checks on one small sample; the p-values of those that `spoilt` names are multiplied.
Registry small_registry(const std::set<std::string>& spoilt, double factor) {
  Registry registry;
  suites::register_protocols(registry, suites::pytorch_dialect());
  registry.add_backend(
      {"clean", "clean", "a correct one", false, [](const std::string&, const BackendOptions& options) {
         return reference::open_reference("", options);
       }});
  for (const char* id : kRealChecks)
    registry.add_check(
        std::make_unique<SpoiltCheck>(*real_registry().check(id), spoilt.contains(id) ? factor : 1.0));
  registry.add_profile(suites::kCalibrationProfile, "mask 1 op=dropout,p=0.3,shape=16384,calls=1\n");
  return registry;
}

WholeFindings measured(const Registry& registry, std::uint64_t runs = kRuns) {
  auto whole = whole_plan(registry, suites::kCalibrationProfile, kDefaultSeed);
  EXPECT_TRUE(whole) << whole.error().message;
  const Capabilities capabilities = reference::ReferenceBackend().capabilities();
  std::atomic<bool> stop = false;
  const auto counts = measure_runs(registry, *whole, "clean", capabilities, 0, runs, stop);
  EXPECT_TRUE(counts.has_value());
  EXPECT_EQ(counts->runs, runs);
  EXPECT_EQ(counts->failures, 0u) << counts->failed.front();
  return findings_of(*whole, *counts);
}

TEST(WholeRuns, OfCorrectLawsHold) {
  const WholeFindings found = measured(small_registry({}, 1));
  EXPECT_FALSE(found.fails);
  EXPECT_TRUE(found.too_many.empty());
  ASSERT_EQ(found.levels.size(), kAlarmLevels.size());
  EXPECT_TRUE(found.levels[0].has_least) << "or a law that is too careful would not be seen";
  EXPECT_GT(found.levels[1].alarmed, 0u);
}

TEST(WholeRuns, FailWhereOneLawIsTooSmallByAFactorOfThree) {
  const WholeFindings found = measured(small_registry({"channel_correlation.lags"}, 1.0 / 3));
  EXPECT_TRUE(found.fails);
  ASSERT_FALSE(found.too_many.empty());
  for (const CheckFinding& check : found.too_many) EXPECT_EQ(check.check, "channel_correlation.lags");
  EXPECT_EQ(found.laws.front().check, "channel_correlation.lags");
}

TEST(WholeRuns, FailWhereAllLawsAreUselesslyCareful) {
  const WholeFindings found = measured(small_registry({std::begin(kRealChecks), std::end(kRealChecks)}, 20));
  EXPECT_TRUE(found.fails);
  EXPECT_TRUE(found.levels[0].is_too_few());
}

TEST(WholeRuns, HaveSeedsOfTheirOwn) {
  const Registry registry = small_registry({}, 1);
  auto whole = whole_plan(registry, suites::kCalibrationProfile, kDefaultSeed);
  ASSERT_TRUE(whole);
  const Capabilities capabilities = reference::ReferenceBackend().capabilities();
  std::atomic<bool> stop = false;
  const auto at_once = measure_runs(registry, *whole, "clean", capabilities, 0, 60, stop);
  auto in_parts = measure_runs(registry, *whole, "clean", capabilities, 0, 25, stop);
  const auto rest = measure_runs(registry, *whole, "clean", capabilities, 25, 35, stop);
  const auto others = measure_runs(registry, *whole, "clean", capabilities, 60, 60, stop);
  ASSERT_TRUE(at_once && in_parts && rest && others);
  in_parts->add(*rest);
  EXPECT_EQ(in_parts->alarmed, at_once->alarmed);
  EXPECT_EQ(in_parts->by_check, at_once->by_check);
  EXPECT_NE(others->by_check, at_once->by_check) << "the same masks again";
  stop = true;
  EXPECT_FALSE(measure_runs(registry, *whole, "clean", capabilities, 0, 1, stop).has_value());
}

WholeBatch a_batch(std::uint64_t first, std::uint64_t runs) {
  WholeBatch batch{"cpu", "cpu 0.1.0", first, {}};
  batch.counts.runs = runs;
  batch.counts.seconds = 1.5;
  batch.counts.alarmed = {5, 2, 1, 0};
  batch.counts.by_check["mask_rate.lanes"] = {3, 1, 0, 0};
  batch.counts.laws[{"mask_rate.lanes", "chi_squared"}] = {70, {4, 1, 0, 0}};
  batch.counts.failures = 1;
  batch.counts.failed = {"one \"word\""};
  return batch;
}
const WholeIdentity kIdentity{"0123", 0x5eed};

void expect_refused(const std::string& text, const std::string& fragment) {
  const auto batches = batches_of(kIdentity, text);
  ASSERT_FALSE(batches) << fragment;
  EXPECT_EQ(batches.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(batches.error().message, HasSubstr(fragment));
}

TEST(WholeStateFile, IsReadAsItWasWritten) {
  const std::string text = line_of(kIdentity, a_batch(0, 50)) + line_of(kIdentity, a_batch(50, 20));
  const auto batches = batches_of(kIdentity, text);
  ASSERT_TRUE(batches) << batches.error().message;
  ASSERT_EQ(batches->size(), 2u);
  EXPECT_EQ(line_of(kIdentity, (*batches)[0]) + line_of(kIdentity, (*batches)[1]), text);
  EXPECT_EQ((*batches)[1].first, 50u);
  EXPECT_EQ((*batches)[1].counts.laws.at({"mask_rate.lanes", "chi_squared"}).alarms[1], 1u);
}

TEST(WholeStateFile, IsRefusedWhereItCannotBeTrusted) {
  const std::string line = line_of(kIdentity, a_batch(0, 50));
  expect_refused(line + line.substr(0, 40), "line 2: it is cut short");
  expect_refused(line + "\n", "line 2: it is cut short, or no line of");
  expect_refused("[1]\n", "line 1: it is cut short, or no line of");
  std::string changed = line;
  changed.replace(changed.find("\"runs\":50"), 9, "\"runs\":60");
  expect_refused(changed, "line 1: its checksum does not fit its content");
  expect_refused(line_of({"0123", 7}, a_batch(0, 50)), "line 1: it belongs to --seed=0x7");
  expect_refused(line_of({"4567", 0x5eed}, a_batch(0, 50)), "line 1: it belongs to another plan");
  expect_refused(line + line, "line 2: an earlier line holds the same runs");
  expect_refused(line + line_of(kIdentity, a_batch(49, 10)), "line 2: an earlier line holds the same runs");
  WholeBatch other = a_batch(50, 50);
  other.version = "cpu 0.2.0";
  expect_refused(line + line_of(kIdentity, other), "line 2: it is about cpu 0.2.0 and an earlier line");
  WholeBatch impossible = a_batch(50, 50);
  impossible.counts.alarmed = {51, 0, 0, 0};
  expect_refused(line_of(kIdentity, impossible), "'alarmed' is larger than it can be");
  impossible.counts.alarmed = {5, 6, 0, 0};
  expect_refused(line_of(kIdentity, impossible), "'alarmed' is larger than it can be");
}

TEST(WholeStateFile, SaysWhichRunsAreMissing) {
  using Pending = std::vector<std::pair<std::uint64_t, std::uint64_t>>;
  EXPECT_EQ(pending_runs({}, "cpu", 120, 50), (Pending{{0, 50}, {50, 50}, {100, 20}}));
  EXPECT_EQ(pending_runs({a_batch(50, 50), a_batch(10, 5)}, "cpu", 120, 50),
            (Pending{{0, 10}, {15, 35}, {100, 20}}));
  EXPECT_EQ(pending_runs({a_batch(0, 200)}, "cpu", 120, 50), Pending{});
  EXPECT_EQ(pending_runs({a_batch(0, 200)}, "reference", 20, 50), (Pending{{0, 20}}));
}

TEST(WholePage, KeepsWhatIsNotItsOwn) {
  const std::string own = "<!-- whole runs: begin -->\nnew\n<!-- whole runs: end -->\n";
  const std::string old = "# Page\n\n<!-- whole runs: begin -->\nold\n<!-- whole runs: end -->\ntail\n";
  EXPECT_EQ(*with_section(old, own),
            "# Page\n\n<!-- whole runs: begin -->\nnew\n<!-- whole runs: end -->\ntail\n");
  EXPECT_EQ(*with_section("# Page\n", own), "# Page\n\n" + own);
  EXPECT_EQ(*section_in(*with_section("", own)), own);
  EXPECT_EQ(*section_in("# Page\n"), "");
  for (const char* broken :
       {"<!-- whole runs: begin -->\n", "<!-- whole runs: end -->\n<!-- whole runs: begin -->\n"}) {
    EXPECT_FALSE(section_in(broken));
    EXPECT_FALSE(with_section(broken, own));
  }
}

class CalibrateFull : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "dropcheck-whole-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    arguments_.full = true;
    arguments_.backends = {"clean"};
    arguments_.threads = 2;
    arguments_.runs = 120;
    arguments_.state = (folder_ / "state.jsonl").string();
    arguments_.out = (folder_ / "page.md").string();
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  ExitCode run(const Registry& registry) {
    ::testing::internal::CaptureStderr();
    const ExitCode code = calibrate_command(registry, arguments_);
    told_ = ::testing::internal::GetCapturedStderr();
    return code;
  }
  static std::string text_of(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

  fs::path folder_;
  CalibrateArguments arguments_;
  std::string told_;
};

TEST_F(CalibrateFull, WritesItsSectionAndGoesOnFromItsState) {
  const Registry registry = small_registry({}, 1);
  EXPECT_EQ(run(registry), ExitCode::pass) << told_;
  const std::string page = text_of(arguments_.out), state = text_of(arguments_.state);
  EXPECT_THAT(page,
              HasSubstr("Written by `dropcheck calibrate --full --backend=clean --runs=120 --seed=0x5eed`"));
  EXPECT_THAT(page, HasSubstr("| 120 |"));
  EXPECT_EQ(run(registry), ExitCode::pass) << told_;
  EXPECT_EQ(text_of(arguments_.out), page) << "nothing is counted twice";
  EXPECT_EQ(text_of(arguments_.state), state);
  arguments_.runs = 150;
  EXPECT_EQ(run(registry), ExitCode::pass) << told_;
  EXPECT_TRUE(text_of(arguments_.state).starts_with(state));
  EXPECT_THAT(text_of(arguments_.out), HasSubstr("| 150 |"));
  EXPECT_THAT(text_of(arguments_.out), Not(HasSubstr("| 120 |")));
}

TEST_F(CalibrateFull, RefusesAStateOfAnotherSeed) {
  arguments_.runs = 2;
  EXPECT_EQ(run(small_registry({}, 1)), ExitCode::pass) << told_;
  arguments_.seed = 7;
  EXPECT_EQ(run(small_registry({}, 1)), ExitCode::usage);
  EXPECT_THAT(told_, HasSubstr("line 1: it belongs to --seed=0x5eed"));
}

TEST_F(CalibrateFull, FailsWhereEveryPValueIsTooSmall) {
  EXPECT_EQ(run(small_registry({std::begin(kRealChecks), std::end(kRealChecks)}, 0.02)), ExitCode::fail);
  EXPECT_THAT(told_, HasSubstr("TOO MANY"));
  EXPECT_THAT(text_of(arguments_.out), HasSubstr("TOO MANY"));
}

/// A check that fails now and then, though its p-values are right.
class Failing final : public Check {
 public:
  explicit Failing(const Check& real) : Check(real.info()), real_(real) {}
  Applicability applies(const SampleInfo& sample) const override { return real_.applies(sample); }
  std::unique_ptr<Observer> observer(const SampleInfo& sample) const override {
    return real_.observer(sample);
  }
  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    Judgement judgement = real_.judge(seen, context);
    if (context.pit_key % 4 == 0) judgement.verdict = Verdict::fail;
    return judgement;
  }

 private:
  const Check& real_;
};

TEST_F(CalibrateFull, FailsWhereAResultDoesAtTheTrueLevel) {
  Registry registry;
  suites::register_protocols(registry, suites::pytorch_dialect());
  registry.add_backend(
      {"clean", "clean", "a correct one", false, [](const std::string&, const BackendOptions& options) {
         return reference::open_reference("", options);
       }});
  registry.add_check(std::make_unique<Failing>(*real_registry().check("mask_rate.dispersion")));
  registry.add_profile(suites::kCalibrationProfile, "mask 1 op=dropout,p=0.3,shape=16384,calls=1\n");
  EXPECT_EQ(run(registry), ExitCode::fail);
  EXPECT_THAT(told_,
              HasSubstr("FAILED at the true level: mask_rate.dispersion op=dropout,p=0.3,shape=16384"));
  EXPECT_THAT(told_, HasSubstr("dropcheck run --backend=clean --profile=calibration --seed="));
}

TEST_F(CalibrateFull, GoesWithNothingThatLeavesPartsOut) {
  arguments_.check_glob = "mask_rate.*";
  EXPECT_EQ(run(small_registry({}, 1)), ExitCode::usage);
  arguments_.check_glob.clear();
  arguments_.backends = {"nobody"};
  EXPECT_EQ(run(small_registry({}, 1)), ExitCode::usage);
}

TEST_F(CalibrateFull, StaysWhenTheOtherPartOfThePageIsWritten) {
  const Registry registry = small_registry({}, 1);
  ASSERT_EQ(run(registry), ExitCode::pass) << told_;
  const auto section = section_in(text_of(arguments_.out));
  ASSERT_TRUE(section && !section->empty());
  CalibrateArguments other;
  other.check_glob = "mask_rate.drop_rate";
  other.brief = true;
  other.out = arguments_.out;
  arguments_ = other;
  EXPECT_EQ(run(real_registry()), ExitCode::pass) << told_;
  EXPECT_THAT(text_of(other.out), HasSubstr("# Calibration of p-values"));
  EXPECT_THAT(text_of(other.out), HasSubstr(*section));
}

}  // namespace
}  // namespace dropcheck::tools
