#include "harness/run/plan.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <tuple>

#include "harness/core/descriptor.hpp"
#include "suites/register.hpp"

namespace dropcheck {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Registry& registry() {
  static const Registry* const all = [] {
    auto* made = new Registry;
    suites::register_suites(*made);
    return made;
  }();
  return *all;
}

Plan planned(const PlanOptions& options, const Registry& from = registry()) {
  auto plan = make_plan(from, options);
  EXPECT_TRUE(plan) << plan.error().message;
  return plan ? *std::move(plan) : Plan{};
}

PlanOptions of_profile(const std::string& profile) {
  PlanOptions options;
  options.profile = profile;
  return options;
}

Problem problem_of(const std::string& descriptor) {
  auto problem = parse_descriptor(descriptor);
  EXPECT_TRUE(problem) << descriptor;
  return *std::move(problem);
}

using Shares = std::map<std::tuple<std::string, std::string, std::string>, double>;

/// Share of each hypothesis by check, case and protocol.
Shares shares_of(const Plan& plan) {
  Shares shares;
  for (const PlannedSample& sample : plan.samples)
    for (const PlannedCell& cell : sample.cells)
      EXPECT_TRUE(shares
                      .emplace(std::tuple(cell.check->info().id, sample.case_text(), sample.info.protocol),
                               cell.alpha)
                      .second)
          << cell.check->info().id << " stands twice on " << sample.case_text();
  return shares;
}

class PlanOfProfile : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Profiles, PlanOfProfile,
                         ::testing::Values("smoke", "quick", "standard", "deep", "frameworks"),
                         [](const auto& profile) { return std::string(profile.param); });

TEST_P(PlanOfProfile, SpendsNoMoreThanItsBudget) {
  const Plan plan = planned(of_profile(GetParam()));
  double spent = 0;
  std::set<const Check*> statistical;
  double weights = 0;
  for (const PlannedSample& sample : plan.samples) {
    for (const PlannedCell& cell : sample.cells) {
      spent += cell.alpha * cell.hypotheses;
      EXPECT_EQ(cell.alpha > 0, !cell.check->is_exact()) << cell.check->info().id;
      EXPECT_EQ(cell.hypotheses > 0, !cell.check->is_exact()) << cell.check->info().id;
      if (!cell.check->is_exact() && statistical.insert(cell.check).second)
        weights += cell.check->info().weight;
    }
  }
  EXPECT_LE(spent, plan.alpha);
  EXPECT_GT(spent, 0);
  EXPECT_NEAR(spent, plan.alpha * weights, plan.alpha * 1e-9);
}

TEST_P(PlanOfProfile, CarriesEveryCheckOfTheCatalogue) {
  std::set<std::string> planned_checks;
  for (const auto& [key, share] : shares_of(planned(of_profile(GetParam()))))
    planned_checks.insert(std::get<0>(key));
  for (const auto& check : registry().checks()) {
    if (std::string_view(GetParam()) == "smoke" &&
        (check->info().row || check->info().foreign || check->info().suite() == "embedding"))
      continue;  // those that ask their own questions, as far as they ask for much
    if (std::string_view(GetParam()) == "deep" ||
        check->info().protocols != std::vector<std::string>{"deep_mask"}) {
      EXPECT_TRUE(planned_checks.contains(check->info().id)) << check->info().id;
    }
  }
}

TEST_P(PlanOfProfile, StaysWithinItsElements) {
  const std::map<std::string, double> limits = {
      {"smoke", 1e7}, {"quick", 1.5e9}, {"standard", 4e9}, {"deep", 1e12}, {"frameworks", 3e8}};
  const Plan plan = planned(of_profile(GetParam()));
  EXPECT_LE(static_cast<double>(plan.elements()), limits.at(GetParam()));
  EXPECT_GT(static_cast<double>(plan.elements()), std::string_view(GetParam()) == "deep" ? 1e11 : 0.0);
}

TEST_P(PlanOfProfile, IsLargeEnoughForEveryEffectThatItRequires) {
  for (const PlannedSample& sample : planned(of_profile(GetParam())).samples)
    for (const PlannedCell& cell : sample.cells) {
      if (cell.alpha <= 0) continue;
      const std::string what =
          fmt::format("{} {} {}", cell.check->info().id, sample.info.protocol, sample.case_text());
      ASSERT_TRUE(cell.detectable.has_value()) << what;
      ASSERT_TRUE(cell.required.has_value()) << what;
      EXPECT_FALSE(cell.underpowered())
          << what << ": " << cell.detectable->value << " where " << *cell.required << " is required";
    }
}

TEST(Plan, RequiresTheRateErrorsThatItsProfilesStandFor) {
  const std::map<std::string, double> promised = {{"quick", 1e-3}, {"standard", 3e-4}, {"deep", 3e-5}};
  for (const auto& [profile, effect] : promised) {
    PlanOptions options = of_profile(profile.c_str());
    options.check_glob = "mask_rate.drop_rate";
    bool found = false;
    for (const PlannedSample& sample : planned(options).samples)
      if (sample.info.protocol == "mask" &&
          print_descriptor(sample.info.problem) == "op=dropout,p=0.1,shape=64x128x128") {
        found = true;
        EXPECT_DOUBLE_EQ(*sample.cells.at(0).required, effect);
      }
    EXPECT_TRUE(found) << profile;
  }
}

TEST(Plan, ACaseUnderWhichRowsAreFiledIsTheirsOnlyWhereACheckIsNamed) {
  PlanOptions options = of_profile("quick");
  options.only_case = problem_of("op=dropout,p=0.3,shape=256x512");
  const Plan whole = planned(options);
  EXPECT_EQ(whole.profile, "case");
  EXPECT_TRUE(std::any_of(whole.samples.begin(), whole.samples.end(),
                          [](const PlannedSample& s) { return s.info.protocol == "mask"; }));
  options.check_glob = "pytorch_semantics.row_76";
  const Plan row = planned(options);
  EXPECT_EQ(row.profile, "quick");
  ASSERT_EQ(row.samples.size(), 1u);
  EXPECT_EQ(row.samples[0].info.protocol, "row_76");
}

TEST(Plan, TheHashHoldsTheContentOfADialectAndNothingElseDoes) {
  PlanOptions options = of_profile("smoke");
  const Plan pytorch = planned(options);
  EXPECT_TRUE(pytorch.dialect.empty());
  options.dialect = "a.toml";
  options.dialect_content = "dialect a\n  p = 1: refused\n";
  const Plan a = planned(options);
  EXPECT_EQ(a.dialect, "a.toml");
  EXPECT_NE(a.hash, pytorch.hash);
  options.dialect = "elsewhere/a.toml";
  EXPECT_EQ(planned(options).hash, a.hash) << "where the file lies changes nothing";
  options.dialect_content = "dialect a\n  p = 1: zeros\n";
  EXPECT_NE(planned(options).hash, a.hash);
}

TEST(Plan, KnowsACaseThatIsTooSmallBeforeItRuns) {
  PlanOptions options = of_profile("quick");
  options.only_case = problem_of("op=dropout,p=0.1,shape=1,calls=1");
  options.check_glob = "mask_rate.drop_rate";
  const Plan plan = planned(options);
  ASSERT_FALSE(plan.samples.empty());
  EXPECT_TRUE(std::any_of(plan.samples.begin(), plan.samples.end(),
                          [](const PlannedSample& s) { return s.cells.at(0).underpowered(); }));
}

TEST_P(PlanOfProfile, TriesOtherProbabilitiesThanAHalfAndAQuarterEverywhere) {
  std::map<std::string, std::set<double>> tried;
  for (const PlannedSample& sample : planned(of_profile(GetParam())).samples) {
    if (sample.protocol == nullptr || sample.protocol->own_problem) continue;
    Problem x = sample.info.problem;
    const double p = x.p;
    x.p = 0;
    x.shape.clear();
    tried[print_descriptor(x)].insert(p);
  }
  ASSERT_FALSE(tried.empty());
  for (const auto& [what, probabilities] : tried)
    EXPECT_TRUE(std::any_of(probabilities.begin(), probabilities.end(), [](double p) {
      return p != 0.5 && p != 0.25 && p != 0 && p != 1;
    })) << what;
}

TEST_P(PlanOfProfile, TriesAHalfOnPlainDropout) {
  const Plan plan = planned(of_profile(GetParam()));
  EXPECT_TRUE(std::any_of(plan.samples.begin(), plan.samples.end(), [](const PlannedSample& s) {
    return s.info.protocol == "mask" && s.info.problem.op == Op::dropout &&
           s.info.problem.dtype == DType::f32 && s.info.problem.layout == Layout::contiguous &&
           s.info.problem.p == 0.5 && s.info.mask_entries() >= std::uint64_t{1} << 20;
  }));
}

TEST_P(PlanOfProfile, GivesARuleForEveryStatisticThatItLeavesOut) {
  for (const LeftOut& left : planned(of_profile(GetParam())).left_out) {
    EXPECT_NE(registry().check(left.check), nullptr) << left.check;
    EXPECT_TRUE(parse_descriptor(left.problem)) << left.problem;
    EXPECT_FALSE(left.rule.empty()) << left.check;
  }
}

TEST_P(PlanOfProfile, KeepsEverySharesUnderEveryFilter) {
  const Shares all = shares_of(planned(of_profile(GetParam())));
  std::vector<PlanOptions> filters(5, of_profile(GetParam()));
  filters[0].suites = {"mask_rate"};
  filters[1].suites = {"channel_correlation", "unbiasedness"};
  filters[2].check_glob = "*.drop_rate";
  filters[3].only_case = problem_of(std::get<1>(
      std::find_if(all.begin(), all.end(), [](const auto& entry) { return entry.second > 0; })->first));
  filters[4] = filters[3];
  filters[4].check_glob = "*rate*";
  for (const PlanOptions& options : filters) {
    const Plan plan = planned(options);
    const Shares some = shares_of(plan);
    EXPECT_EQ(plan.profile, GetParam());
    EXPECT_FALSE(some.empty());
    EXPECT_LT(some.size(), all.size());
    for (const auto& [key, share] : some) {
      ASSERT_TRUE(all.contains(key)) << std::get<0>(key);
      EXPECT_EQ(all.at(key), share) << std::get<0>(key) << " on " << std::get<1>(key);
    }
  }
}

TEST(Plan, LeavesOutStatisticsOfSamplesThatAreTooSmall) {
  PlanOptions options = of_profile("smoke");
  options.only_case = problem_of("op=dropout,p=1e-9,shape=64x128x128,calls=1");
  const Plan plan = planned(options);
  EXPECT_FALSE(plan.left_out.empty());
  for (const LeftOut& left : plan.left_out) {
    EXPECT_EQ(left.problem, print_descriptor(*options.only_case));
    EXPECT_FALSE(left.rule.empty());
  }
}

TEST(Plan, FiltersSelectWhatTheyName) {
  PlanOptions options = of_profile("smoke");
  options.suites = {"mask_rate", "seed_determinism"};
  options.check_glob = "*rate.lanes";
  const Plan plan = planned(options);
  EXPECT_EQ(plan.filters, "suite=mask_rate,seed_determinism check=*rate.lanes");
  ASSERT_FALSE(plan.samples.empty());
  for (const PlannedSample& sample : plan.samples) {
    ASSERT_EQ(sample.cells.size(), 2u);
    EXPECT_EQ(sample.cells[0].check->info().id, "mask_rate.drop_rate");
    EXPECT_TRUE(sample.cells[0].hidden) << "it tells the others the rate and is not reported";
    EXPECT_EQ(sample.cells[1].check->info().id, "mask_rate.lanes");
    EXPECT_FALSE(sample.cells[1].hidden);
  }
  EXPECT_EQ(plan.cells(), plan.samples.size());
  for (const LeftOut& left : plan.left_out) EXPECT_EQ(left.check, "mask_rate.lanes");
}

TEST(Plan, KeepsTheSampleOfACaseThatTheProfileHolds) {
  PlanOptions options = of_profile("smoke");
  options.only_case = problem_of("op=dropout,p=0.5,shape=64x128x64,calls=2");
  const Plan plan = planned(options);
  EXPECT_EQ(plan.profile, "smoke");
  EXPECT_EQ(plan.filters, "case=op=dropout,p=0.5,shape=64x128x64,calls=2");
  ASSERT_EQ(plan.samples.size(), 1u);
  EXPECT_EQ(plan.samples[0].info.protocol, "mask");
  EXPECT_EQ(plan.samples[0].info.blocks, 1u);
}

TEST(Plan, GivesACaseOutsideTheProfileTheWholeBudget) {
  PlanOptions options = of_profile("smoke");
  options.only_case = problem_of("op=dropout,p=0.37,shape=64x128x128");
  options.alpha = 1e-4;
  const Plan plan = planned(options);
  EXPECT_EQ(plan.profile, "case");
  EXPECT_EQ(plan.requested_profile, "smoke");
  std::map<const Check*, double> spent;
  std::set<std::string> protocols;
  for (const PlannedSample& sample : plan.samples) {
    EXPECT_EQ(sample.info.problem, *options.only_case);
    ASSERT_NE(sample.protocol, nullptr) << "random problems are no case";
    protocols.insert(sample.info.protocol);
    for (const PlannedCell& cell : sample.cells) spent[cell.check] += cell.alpha * cell.hypotheses;
  }
  EXPECT_TRUE(protocols.contains("mask") && protocols.contains("values") && protocols.contains("bad_p"));
  for (const auto& [check, share] : spent)
    EXPECT_NEAR(share, 1e-4 * check->info().weight, 1e-15) << check->info().id;
}

TEST(Plan, BoundsACaseOutsideTheProfile) {
  for (const char* text : {"op=dropout,p=0.37,shape=1", "op=dropout,p=0.37,shape=1048576",
                           "op=dropout2d,p=0.37,shape=2x2x4096x4096", "op=dropout,p=0.37,shape=0"}) {
    PlanOptions options = of_profile("smoke");
    options.only_case = problem_of(text);
    for (const PlannedSample& sample : planned(options).samples) {
      EXPECT_GE(sample.info.blocks, 1u) << text;
      EXPECT_TRUE(sample.info.blocks == 1 || sample.info.elements() <= std::uint64_t{1} << 26) << text;
      EXPECT_TRUE(sample.info.blocks == 1 ||
                  sample.info.mask_entries() <
                      (std::uint64_t{1} << 22) + sample.info.mask_entries() / sample.info.blocks)
          << text;
    }
  }
}

TEST(Plan, OfIntegersHasNoSampleThatReadsFloats) {
  for (const char* dtype : {"i64", "i32", "u8", "bool", "c64", "c128"}) {
    PlanOptions options = of_profile("smoke");
    options.only_case = problem_of("op=dropout,p=0.37,shape=64x128x128,dtype=" + std::string(dtype));
    EXPECT_EQ(planned(options).cells(), 0u) << dtype;
  }
}

TEST(Plan, HasNoMaskSampleWhereTheOutputShowsNoMask) {
  for (const char* text : {"op=dropout,p=0.3,shape=4096,mode=eval", "op=alpha_dropout,p=1,shape=4096",
                           "op=dropout,p=0.3,shape=0", "op=dropout2d,p=0.3,shape=4x4x0x2"}) {
    PlanOptions options = of_profile("smoke");
    options.only_case = problem_of(text);
    const Plan plan = planned(options);
    EXPECT_GT(plan.cells(), 0u) << text;
    for (const PlannedSample& sample : plan.samples) EXPECT_FALSE(sample.protocol->streaming) << text;
  }
}

TEST(Plan, BoundsTheBlocksOfATinyCase) {
  for (const char* text : {"op=dropout,p=0.37,shape=1", "op=dropout,p=0.37,shape=scalar"}) {
    PlanOptions options = of_profile("smoke");
    options.only_case = problem_of(text);
    for (const PlannedSample& sample : planned(options).samples)
      EXPECT_LE(sample.info.blocks, 1u << 16) << text;
  }
}

TEST(Plan, HashIsThatOfTheOptions) {
  std::vector<PlanOptions> different(9, of_profile("smoke"));
  different[1].profile = "quick";
  different[2].alpha = 2e-6;
  different[3].master_seed = 1;
  different[4].suites = {"mask_rate"};
  different[5].suites = {"unbiasedness"};
  different[6].check_glob = "*.lanes";
  different[7].only_case = problem_of("op=dropout,p=0.37,shape=4096");
  different[8].only_case = problem_of("op=dropout,p=0.38,shape=4096");
  std::set<std::string> hashes;
  for (const PlanOptions& options : different) {
    const std::string hash = planned(options).hash;
    EXPECT_EQ(hash.size(), 32u);
    EXPECT_EQ(hash, planned(options).hash);
    EXPECT_TRUE(hashes.insert(hash).second);
  }
}

void expect_refused(const PlanOptions& options, const std::string& fragment) {
  const auto plan = make_plan(registry(), options);
  ASSERT_FALSE(plan) << fragment;
  EXPECT_EQ(plan.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(plan.error().message, HasSubstr(fragment));
}

TEST(Plan, RefusesOptionsThatNameNothing) {
  PlanOptions suite = of_profile("smoke"), glob = of_profile("smoke");
  suite.suites = {"mask_rate", "speed"};
  glob.check_glob = "nothing.*";
  expect_refused(of_profile("tiny"), "profile 'tiny' is not known: write one of smoke, quick, standard");
  expect_refused(suite,
                 "suite 'speed' is not known: write one of channel_correlation, embedding, exact_stream, "
                 "gradient_consistency");
  expect_refused(glob, "no check matches 'nothing.*'");
}

TEST(Plan, RefusesWhatIsNoSignificanceLevel) {
  for (const double alpha : {0.0, 1.0, -1e-6, 2.0, std::numeric_limits<double>::quiet_NaN()}) {
    PlanOptions options = of_profile("smoke");
    options.alpha = alpha;
    expect_refused(options, "is no significance level");
  }
}

/// Plans of profiles of the test's own; they point into the fixture.
struct ProfileText : ::testing::Test {
  Registry mine;
  ProfileText() { suites::register_suites(mine); }
  Expected<Plan> plan_of(const std::string& text) {
    const std::string name = std::to_string(mine.profiles().size());
    mine.add_profile(name, text);
    return make_plan(mine, of_profile(name));
  }
};

TEST_F(ProfileText, IsRefusedWithItsLine) {
  const std::pair<const char*, const char*> bad[] = {
      {"mask 1", "profile line 1: write PROTOCOL BLOCKS DESCRIPTOR"},
      {"\n# fine\nmask 1 op=dropout,p=0.1,shape=4 more", "profile line 3: write PROTOCOL"},
      {"mask 0 op=dropout,p=0.1,shape=4", "profile line 1: write PROTOCOL"},
      {"mask -1 op=dropout,p=0.1,shape=4", "profile line 1: write PROTOCOL"},
      {"mask 1x op=dropout,p=0.1,shape=4", "profile line 1: write PROTOCOL"},
      {"random_problems 0", "profile line 1: write PROTOCOL"},
      {"random_problems 1000001", "own ELEMENTS [PROTOCOLS] or random_problems COUNT"},
      {"own 1000 mask", "profile line 1: 'mask' is no protocol that asks its own questions"},
      {"own 1000 row_50,row_500", "profile line 1: 'row_500' is no protocol that asks its own questions"},
      {"mask 99999999999999999999 op=dropout,p=0.1,shape=4", "profile line 1: write PROTOCOL"},
      {"mask 1 op=dropout,p=0.1,shape=4\nmusk 1 op=dropout,p=0.1,shape=4",
       "line 2: protocol 'musk' is not known"},
      {"mask 1 op=dropout,p=2,shape=4", "profile line 1: column 14: p='2'"},
      {"mask 1 op=dropout,p=[0.1,0.10],shape=4", "profile line 1: op=dropout,p=0.1,shape=4 stands twice"},
      {"values 1 op=dropout,p=0.1,shape=4\nexact 1 shape=4,op=dropout,p=0.1", "profile line 2: op=dropout"}};
  for (const auto& [text, fragment] : bad) {
    const auto plan = plan_of(text);
    ASSERT_FALSE(plan) << text;
    EXPECT_EQ(plan.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(plan.error().message, HasSubstr(fragment));
  }
}

TEST_F(ProfileText, MayHoldCommentsTabsAndNoLastNewline) {
  const auto plan = plan_of("# all\n\n \t\n\tvalues\t1  op=dropout,p=0.1,shape=4 # why");
  ASSERT_TRUE(plan) << plan.error().message;
  std::set<std::string> protocols;
  for (const PlannedSample& sample : plan->samples)
    if (sample.protocol != nullptr) protocols.insert(sample.info.protocol);
  EXPECT_EQ(protocols, (std::set<std::string>{"values"}));
}

TEST_F(ProfileText, ExactStandsForTheProtocolsOfSmallTensors) {
  const auto plan = plan_of("exact 1 op=dropout,p=0.1,shape=33");
  ASSERT_TRUE(plan) << plan.error().message;
  std::set<std::string> protocols;
  for (const PlannedSample& sample : plan->samples)
    if (sample.protocol != nullptr) protocols.insert(sample.info.protocol);
  EXPECT_TRUE(protocols.contains("values") && protocols.contains("eval") && protocols.contains("gradient"));
  EXPECT_FALSE(protocols.contains("mask") || protocols.contains("position") || protocols.contains("threads"));
}

TEST_F(ProfileText, MayNameTheProtocolsThatAskTheirOwnQuestions) {
  const auto plan = plan_of("own 1000000 row_50,row_99,row_76");
  ASSERT_TRUE(plan) << plan.error().message;
  std::set<std::string> protocols;
  for (const PlannedSample& sample : plan->samples)
    if (sample.protocol != nullptr) protocols.insert(sample.info.protocol);
  EXPECT_EQ(protocols, (std::set<std::string>{"row_50", "row_99"}));
  ASSERT_EQ(plan->left_out.size(), 1u);
  EXPECT_EQ(plan->left_out[0].check, "pytorch_semantics.row_76");
  EXPECT_THAT(plan->left_out[0].rule, HasSubstr("more than the 1000000 of this profile"));
}

TEST_F(ProfileText, SaysHowManyRandomProblemsAreTried) {
  const std::string text = "values 1 op=dropout,p=0.1,shape=4\n";
  const auto usual = plan_of(text), few = plan_of(text + "random_problems 7");
  ASSERT_TRUE(usual && few);
  EXPECT_EQ(usual->random_problems, kDefaultRandomProblems);
  EXPECT_EQ(few->random_problems, 7u);
  EXPECT_EQ(few->samples.size(), usual->samples.size()) << "all that changes is what property checks do";
}

TEST_F(ProfileText, LeavesTheChoiceOfCallsToTheProtocol) {
  const auto plan = plan_of("mask 3 op=dropout,p=0.1,shape=4096\nmask 3 op=dropout,p=0.1,shape=4096,calls=9");
  ASSERT_TRUE(plan) << plan.error().message;
  ASSERT_GE(plan->samples.size(), 2u);
  EXPECT_EQ(plan->samples[0].info.calls, registry().protocol("mask")->default_calls);
  EXPECT_EQ(plan->samples[1].info.calls, 9u);
  EXPECT_EQ(plan->samples[1].info.mask_entries(), 3u * 9u * 4096u);
  EXPECT_EQ(plan->elements(), 3u * 13u * 4096u);
}

TEST(SeedSlots, CountTheSeedsThatTheStepsName) {
  const SampleInfo sample{"any", problem_of("op=dropout,p=0.1,shape=4"), 1, 4};
  EXPECT_EQ(seed_slots(*registry().protocol("mask"), sample), 1u);
  EXPECT_EQ(seed_slots(*registry().protocol("determinism"), sample), 2u);
  Protocol none;
  none.steps = [](const SampleInfo&, std::uint64_t) { return std::vector<Step>{}; };
  EXPECT_EQ(seed_slots(none, sample), 1u);
}

}  // namespace
}  // namespace dropcheck
