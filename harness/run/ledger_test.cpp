#include "harness/run/ledger.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "harness/core/hash.hpp"
#include "harness/run/atomic_file.hpp"
#include "harness/run/file_lock.hpp"
#include "harness/run/ledger_text.hpp"

namespace dropcheck {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Json = nlohmann::ordered_json;

constexpr const char* kProblem = "op=dropout,p=0.1,shape=1024x1024";

BackendRecord backend_of(const std::string& spec, const std::string& version = "1.0") {
  BackendRecord backend;
  backend.spec = spec;
  backend.capabilities.name = spec;
  backend.capabilities.version = version;
  return backend;
}

RunHeader header_of(std::uint64_t seed, std::vector<BackendRecord> backends = {backend_of("cpu")}) {
  RunHeader header;
  header.plan_hash = "0123abcd";
  header.master_seed = seed;
  header.dialect = "pytorch";
  header.backends = std::move(backends);
  return header;
}

Statistic rate_of(std::uint64_t n, std::uint64_t x, double p = 0.1) {
  Statistic s;
  s.id = "S1";
  s.name = "drop rate";
  s.counts = {{"n", {n}}, {"x", {x}}};
  s.null_parameters = {{"p", p}};
  return s;
}

Statistic lag_of(const stats::PairProducts& pairs, const std::string& name = "lag 1", double p = 0.1) {
  Statistic s;
  s.id = "S6";
  s.name = name;
  s.counts = {{"n", {pairs.n}}, {"n11", {pairs.n11}}, {"n1L", {pairs.n1L}}, {"n1R", {pairs.n1R}}};
  s.null_parameters = {{"p", p}};
  return s;
}

ResultRecord result_of(std::vector<Statistic> statistics, const std::string& problem = kProblem) {
  ResultRecord result;
  result.backend = "cpu";
  result.check = "mask_rate.drop_rate";
  result.problem = problem;
  result.protocol = "mask";
  result.verdict = Verdict::pass;
  result.statistics = std::move(statistics);
  return result;
}

class LedgerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "dropcheck-ledger-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = fs::canonical(pattern);
    path_ = (folder_ / "ledger.json").string();
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  Ledger opened() const {
    auto ledger = Ledger::open(path_);
    EXPECT_TRUE(ledger) << ledger.error().message;
    return *std::move(ledger);
  }
  Ledger looked_at() const {
    auto ledger = Ledger::read(path_);
    EXPECT_TRUE(ledger) << ledger.error().message;
    return *std::move(ledger);
  }

  /// One run from open to save.
  void night(const RunHeader& header, const std::vector<ResultRecord>& results) const {
    Ledger ledger = opened();
    EXPECT_TRUE(ledger.check_unused(header.plan_hash, header.master_seed));
    for (const ResultRecord& result : results) ledger.add(header, result);
    const Status saved = ledger.save();
    EXPECT_TRUE(saved) << saved.error().message;
  }

  std::string bytes() const {
    std::ifstream file(path_, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  void write(const std::string& text) const { std::ofstream(path_, std::ios::binary) << text; }

  /// Both ways of opening refuse the file for this reason and leave it as it is.
  void expect_refused(const std::string& why) const {
    const std::string before = bytes();
    for (const auto& refused : {Ledger::open(path_), Ledger::read(path_)}) {
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
      EXPECT_THAT(refused.error().message, HasSubstr(why));
      EXPECT_THAT(refused.error().message, HasSubstr("ledger.json"));
    }
    EXPECT_EQ(bytes(), before);
  }

  fs::path folder_;
  std::string path_;
};

TEST_F(LedgerTest, BeginsWithAFileThatIsNotThere) {
  {
    Ledger ledger = opened();
    EXPECT_THAT(ledger.evidence(), IsEmpty());
    EXPECT_FALSE(ledger.alarm());
    EXPECT_FALSE(fs::exists(path_)) << "nothing is written before there is something to write";
    EXPECT_TRUE(ledger.save());
  }
  EXPECT_THAT(looked_at().content().runs, IsEmpty());
}

TEST_F(LedgerTest, AddsUpTheIntegersOfAllNights) {
  const stats::PairProducts pairs{10100, 100000, 100050, 1000000};
  night(header_of(1), {result_of({rate_of(1000, 90), lag_of(pairs)})});
  night(header_of(2), {result_of({rate_of(1000, 120), lag_of(pairs)})});
  night(header_of(3), {result_of({rate_of(500, 50)})});
  const Ledger ledger = looked_at();
  const auto evidence = ledger.evidence();
  ASSERT_THAT(evidence, SizeIs(2));
  EXPECT_EQ(evidence[0].statistic, "drop rate");
  EXPECT_EQ(evidence[0].check, "mask_rate.drop_rate");
  EXPECT_EQ(evidence[0].problem, kProblem);
  EXPECT_EQ(evidence[0].runs, 3u);
  EXPECT_EQ(evidence[0].n, 2500u);
  EXPECT_EQ(evidence[0].estimate, 260.0 / 2500);
  EXPECT_EQ(evidence[0].ln_e, stats::ln_rate_e({2500, 260}, 0.1));
  ASSERT_TRUE(evidence[0].lower && evidence[0].upper);
  EXPECT_LT(*evidence[0].lower, 0.1);
  EXPECT_GT(*evidence[0].upper, 0.1);
  EXPECT_EQ(evidence[1].statistic, "lag 1");
  EXPECT_EQ(evidence[1].runs, 2u);
  EXPECT_EQ(evidence[1].n, 2000000u);
  const stats::PairProducts twice{20200, 200000, 200100, 2000000};
  EXPECT_EQ(evidence[1].estimate, stats::pair_correlation(twice, 0.1));
  EXPECT_NEAR(std::exp(evidence[1].ln_e),
              (std::exp(stats::ln_context_e(stats::left_contexts(twice), 0.1)) +
               std::exp(stats::ln_lag_e(twice, 0.1))) /
                  2,
              1e-9 * std::exp(evidence[1].ln_e));
  EXPECT_FALSE(ledger.alarm());
  EXPECT_THAT(ledger.content().runs, SizeIs(3));
}

TEST_F(LedgerTest, RefusesASeedThatWasUsed) {
  night(header_of(0x5eed), {result_of({rate_of(1000, 90)})});
  const Ledger ledger = opened();
  EXPECT_TRUE(ledger.check_unused("0123abcd", 0x5eee));
  const Status again = ledger.check_unused("0123abcd", 0x5eed);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(again.error().message,
            "seed 0x5eed was already used with this plan in " + path_ + ": use --vary-seed");
  // The masks depend on the seed and the problem only: a filtered plan would show the same ones again.
  const Status other_plan = ledger.check_unused("ffff", 0x5eed);
  ASSERT_FALSE(other_plan);
  EXPECT_THAT(other_plan.error().message, HasSubstr("with another plan"));
  EXPECT_THAT(other_plan.error().message, HasSubstr("--vary-seed"));
}

TEST_F(LedgerTest, DoesNotMixRuns) {
  night(header_of(1), {result_of({rate_of(1000, 90)})});
  Ledger ledger = opened();
  EXPECT_THROW(ledger.add(header_of(1), result_of({rate_of(1000, 90)})), std::logic_error);
  ledger.add(header_of(2), result_of({rate_of(1000, 90)}));
  EXPECT_THROW(ledger.add(header_of(3), result_of({rate_of(1000, 90)})), std::logic_error);
  ResultRecord stranger = result_of({rate_of(1000, 90)});
  stranger.backend = "reference";
  EXPECT_THROW(ledger.add(header_of(2), stranger), std::logic_error);
}

TEST_F(LedgerTest, RemembersARunThatBroughtNothing) {
  night(header_of(7), {result_of({})});
  EXPECT_FALSE(opened().check_unused("0123abcd", 7));
}

TEST_F(LedgerTest, CountsLaterStagesAsDataOfTheirOwn) {
  ResultRecord result = result_of({rate_of(1000, 90)});
  result.stages.push_back({1, 1000, "reproduced", {}});
  result.stages.push_back({2, 8000, "suspicious", {rate_of(8000, 840)}});
  result.stages.push_back({3, 64000, "pass", {rate_of(64000, 6400)}});
  night(header_of(1), {result});
  const auto evidence = looked_at().evidence();
  ASSERT_THAT(evidence, SizeIs(1));
  EXPECT_EQ(evidence[0].n, 73000u);
  EXPECT_EQ(evidence[0].runs, 1u);
  EXPECT_EQ(evidence[0].ln_e, stats::ln_rate_e({73000, 7330}, 0.1));
}

TEST_F(LedgerTest, TestsTheRateThatTheBackendDeclares) {
  ResultRecord result =
      result_of({rate_of(1000, 90, 26.0 / 256), lag_of({10, 100, 100, 1000}, "lag 1", 0.1)});
  result.effective_p = 26.0 / 256;
  night(header_of(1), {result});
  const auto evidence = looked_at().evidence();
  ASSERT_THAT(evidence, SizeIs(1)) << "the other one was judged at a rate that is not declared";
  EXPECT_EQ(evidence[0].p, 26.0 / 256);
}

TEST_F(LedgerTest, KeepsHypothesesApart) {
  ResultRecord other_check = result_of({rate_of(1000, 90)});
  other_check.check = "mask_rate.effective_rate";
  Statistic newer = rate_of(1000, 90);
  newer.version = 2;
  const stats::PairProducts pairs{10, 100, 100, 1000};
  night(header_of(1),
        {result_of({rate_of(1000, 90), newer, lag_of(pairs), lag_of(pairs, "lag 1, memory order")}),
         other_check, result_of({rate_of(1000, 200, 0.2)}, "op=dropout,p=0.2,shape=1024x1024"),
         result_of({rate_of(1000, 90)}, "op=dropout,p=0.1,dtype=f16,shape=1024x1024")});
  const auto evidence = looked_at().evidence();
  EXPECT_THAT(evidence, SizeIs(7));
  for (const auto& e : evidence) EXPECT_EQ(e.n, 1000u);
}

TEST_F(LedgerTest, AddsEqualHypothesesOfTwoProtocols) {
  ResultRecord deep = result_of({rate_of(5000, 500)});
  deep.protocol = "deep_mask";
  night(header_of(1), {result_of({rate_of(1000, 90)}), deep});
  const auto evidence = looked_at().evidence();
  ASSERT_THAT(evidence, SizeIs(1));
  EXPECT_EQ(evidence[0].n, 6000u);
  EXPECT_EQ(evidence[0].runs, 1u);
}

TEST_F(LedgerTest, IgnoresWhatIsNoFreshEvidence) {
  ResultRecord expected = result_of({rate_of(1000, 900)});
  expected.verdict = Verdict::expected_fail;
  Statistic two_counts = rate_of(1000, 90);
  two_counts.counts[1].second = {90, 91};
  Statistic negative = rate_of(1000, 90);
  negative.counts[1].second = {Int128{-1}};
  Statistic huge = rate_of(1000, 90);
  huge.counts[0].second = {Int128{1} << 60};
  Statistic other = rate_of(1000, 90);
  other.id = "S3";
  Statistic nameless = rate_of(1000, 90);
  nameless.null_parameters.clear();
  night(header_of(1),
        {expected, result_of({rate_of(1000, 90)}, "op=dropout,p=0.1,shape=1024x1024,seed=0x1"),
         result_of({rate_of(1000, 90)}, "random problems"), result_of({rate_of(1000, 90, 0.123)}),
         result_of({rate_of(1000, 0, 0.0)}, "op=dropout,p=0,shape=1024x1024"),
         result_of({two_counts}, "op=dropout,p=0.1,shape=1"),
         result_of({negative}, "op=dropout,p=0.1,shape=2"), result_of({huge}, "op=dropout,p=0.1,shape=3"),
         result_of({other}, "op=dropout,p=0.1,shape=4"), result_of({nameless}, "op=dropout,p=0.1,shape=5"),
         result_of({rate_of(90, 1000)}, "op=dropout,p=0.1,shape=6"),
         result_of({lag_of({100, 90, 100, 1000})}, "op=dropout,p=0.1,shape=7"),
         result_of({lag_of({10, 100, 100, 1000}, "lag 12")}, "op=dropout,p=0.1,shape=8")});
  EXPECT_THAT(looked_at().evidence(), IsEmpty());
}

TEST_F(LedgerTest, CountsABackendThatIsListedTwiceOnce) {
  night(header_of(1, {backend_of("cpu"), backend_of("cpu")}),
        {result_of({rate_of(1000, 90)}), result_of({rate_of(1000, 90)})});
  EXPECT_EQ(looked_at().evidence().at(0).n, 1000u);
}

TEST_F(LedgerTest, LeavesOutBackendsWhoseMasksMayRepeat) {
  BackendRecord fixed = backend_of("a"), none = backend_of("b"), short_seeds = backend_of("c");
  fixed.capabilities.seed_semantics = SeedSemantics::fixed;
  none.capabilities.seed_semantics = SeedSemantics::none;
  short_seeds.capabilities.seed_bits = 16;
  const RunHeader header = header_of(1, {fixed, none, short_seeds});
  Ledger ledger = opened();
  for (const char* spec : {"a", "b", "c", "a"}) {
    ResultRecord result = result_of({rate_of(1000, 90)});
    result.backend = spec;
    ledger.add(header, result);
    result.problem = "op=dropout,p=0.1,shape=77";
    ledger.add(header, result);
  }
  EXPECT_THAT(ledger.evidence(), IsEmpty());
  ASSERT_THAT(ledger.left_out(), SizeIs(3));
  EXPECT_THAT(ledger.left_out()[0], HasSubstr("a is not in the ledger: it has one seed"));
  EXPECT_THAT(ledger.left_out()[1], HasSubstr("b is not in the ledger: it takes no seed"));
  EXPECT_THAT(ledger.left_out()[2], HasSubstr("c is not in the ledger: its seeds have 16 bits"));
}

TEST_F(LedgerTest, SharesItsBudgetAmongAllHypothesesThatEverAppear) {
  std::vector<std::string> problems;
  for (int i = 1; i <= 40; ++i) problems.push_back("op=dropout,p=0.1,shape=" + std::to_string(i));
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    // A few more problems every night, and a new version every fourth.
    std::vector<ResultRecord> results;
    for (std::size_t i = 0; i < 5 + 3 * static_cast<std::size_t>(seed) && i < problems.size(); ++i)
      results.push_back(result_of({rate_of(1000, 100)}, problems[i]));
    night(header_of(seed, {backend_of("cpu", "1." + std::to_string(seed / 4))}), results);
    const auto evidence = looked_at().evidence();
    double spent = 0;
    for (const auto& e : evidence) spent += std::exp(-e.ln_threshold);
    EXPECT_LE(spent, kLedgerAlpha * (1 + 1e-12)) << seed;
    EXPECT_GT(spent, 0.49 * kLedgerAlpha) << seed;
  }
}

TEST_F(LedgerTest, NeverRaisesAThresholdLater) {
  night(header_of(1),
        {result_of({rate_of(1000, 90)}), result_of({rate_of(1000, 90)}, "op=dropout,p=0.1,shape=7")});
  const double before = looked_at().evidence().at(0).ln_threshold;
  EXPECT_NEAR(before, std::log(2 * 2 / kLedgerAlpha), 1e-12);
  night(header_of(2), {result_of({rate_of(1000, 90)}, "op=dropout,p=0.1,shape=8")});
  EXPECT_EQ(looked_at().evidence().at(0).ln_threshold, before);
  EXPECT_NEAR(looked_at().evidence().at(2).ln_threshold, std::log(6 / kLedgerAlpha), 1e-12);
}

TEST_F(LedgerTest, AlarmsAtAnErrorThatNoNightShows) {
  // p + 3e-5 at 2^28 entries a night is 1.6 standard deviations; 60 nights together are 12.7.
  const std::uint64_t n = std::uint64_t{1} << 28;
  std::mt19937_64 random(1);
  std::binomial_distribution<std::uint64_t> drops(n, 0.1 + 3e-5);
  std::uint64_t first_alarm = 0;
  for (std::uint64_t seed = 1; seed <= 60 && first_alarm == 0; ++seed) {
    night(header_of(seed), {result_of({rate_of(n, drops(random))})});
    if (looked_at().alarm()) first_alarm = seed;
  }
  EXPECT_GT(first_alarm, 5u);
  EXPECT_LT(first_alarm, 40u);
  const auto evidence = looked_at().evidence();
  ASSERT_THAT(evidence, SizeIs(1));
  EXPECT_TRUE(evidence[0].alarms());
  ASSERT_TRUE(evidence[0].alarm);
  EXPECT_EQ(evidence[0].alarm->run, first_alarm);
  EXPECT_GE(evidence[0].ln_e, evidence[0].ln_threshold);
  EXPECT_GT(*evidence[0].lower, 0.1) << "the interval excludes p when there is an alarm";
}

TEST_F(LedgerTest, AlarmsAtADependenceThatNoNightShows) {
  const std::uint64_t n = std::uint64_t{1} << 24;
  const double rho = 3e-4;  // 1.2 standard deviations a night
  std::uint64_t first_alarm = 0;
  for (std::uint64_t seed = 1; seed <= 200 && first_alarm == 0; ++seed) {
    const double both = static_cast<double>(n) * (0.01 + rho * 0.09);
    const stats::PairProducts pairs{static_cast<std::uint64_t>(both), n / 10, n / 10, n};
    night(header_of(seed), {result_of({lag_of(pairs)})});
    if (looked_at().alarm()) first_alarm = seed;
  }
  EXPECT_GT(first_alarm, 10u);
  EXPECT_LT(first_alarm, 60u);
}

TEST_F(LedgerTest, KeepsAnAlarmForItsEpoch) {
  night(header_of(1), {result_of({rate_of(1000000, 110000)})});
  ASSERT_TRUE(looked_at().alarm());
  // Better data afterwards bring the evidence down, but not the alarm: Ville's bound is about the highest.
  night(header_of(2), {result_of({rate_of(100000000, 9990000)})});
  const Ledger ledger = looked_at();
  EXPECT_LT(ledger.evidence().at(0).ln_e, ledger.evidence().at(0).ln_threshold);
  EXPECT_TRUE(ledger.evidence().at(0).alarms());
  EXPECT_EQ(ledger.evidence().at(0).alarm->run, 1u);
  EXPECT_TRUE(ledger.alarm());
}

TEST_F(LedgerTest, BeginsAnewWithANewVersion) {
  night(header_of(1, {backend_of("cpu", "1.0")}), {result_of({rate_of(1000000, 110000)})});
  ASSERT_TRUE(looked_at().alarm());
  night(header_of(2, {backend_of("cpu", "1.1")}), {result_of({rate_of(1000000, 100000)})});
  const Ledger ledger = looked_at();
  EXPECT_FALSE(ledger.alarm());
  const auto evidence = ledger.evidence();
  ASSERT_THAT(evidence, SizeIs(2));
  EXPECT_EQ(evidence[0].version, "1.0");
  EXPECT_FALSE(evidence[0].current);
  EXPECT_TRUE(evidence[0].alarms()) << "history keeps what was found";
  EXPECT_EQ(evidence[1].version, "1.1");
  EXPECT_TRUE(evidence[1].current);
  EXPECT_EQ(evidence[1].n, 1000000u);
  // The old version again: its evidence goes on, and its alarm with it.
  night(header_of(3, {backend_of("cpu", "1.0")}), {result_of({rate_of(1000, 100)})});
  EXPECT_TRUE(looked_at().alarm());
  EXPECT_EQ(looked_at().evidence().at(0).n, 1001000u);
  EXPECT_THAT(looked_at().content().epochs, SizeIs(2));
}

TEST_F(LedgerTest, BeginsAnewWithANewContract) {
  night(header_of(1), {result_of({rate_of(1000, 90)})});
  RunHeader other_dialect = header_of(2);
  other_dialect.dialect = "jax";
  night(other_dialect, {result_of({rate_of(1000, 90)})});
  RunHeader other_stream = header_of(3);
  other_stream.backends[0].capabilities.exact_stream = "philox";
  night(other_stream, {result_of({rate_of(1000, 90)})});
  const auto evidence = looked_at().evidence();
  ASSERT_THAT(evidence, SizeIs(3));
  EXPECT_FALSE(evidence[0].current);
  EXPECT_FALSE(evidence[1].current);
  EXPECT_TRUE(evidence[2].current);
  for (const auto& e : evidence) EXPECT_EQ(e.n, 1000u);
}

TEST_F(LedgerTest, FollowsEachDeviceAndBackend) {
  BackendRecord gpu = backend_of("cpu");
  gpu.capabilities.device = "cuda:0";
  night(header_of(1), {result_of({rate_of(1000000, 110000)})});
  night(header_of(2, {gpu}), {result_of({rate_of(1000, 100)})});
  ResultRecord second = result_of({rate_of(1000, 100)});
  second.backend = "reference";
  night(header_of(3, {backend_of("reference")}), {second});
  const Ledger ledger = looked_at();
  for (const auto& e : ledger.evidence()) EXPECT_TRUE(e.current) << e.device;
  EXPECT_THAT(ledger.evidence(), SizeIs(3));
  EXPECT_TRUE(ledger.alarm()) << "the other device's alarm still stands";
}

TEST_F(LedgerTest, FollowsABackendWithAnOddName) {
  const std::string odd = "exec:\xff\xfe \"quoted\"\n\\";
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    ResultRecord result = result_of({rate_of(1000, 90)});
    result.backend = odd;
    night(header_of(seed, {backend_of(odd)}), {result});
  }
  const auto evidence = looked_at().evidence();
  ASSERT_THAT(evidence, SizeIs(1));
  EXPECT_EQ(evidence[0].runs, 3u);
}

TEST_F(LedgerTest, StopsAtTheLargestExactCount) {
  const std::uint64_t most = std::uint64_t{1} << 53;
  night(header_of(1), {result_of({rate_of(most, most / 10)})});
  night(header_of(2), {result_of({rate_of(1000, 90)})});
  const auto evidence = looked_at().evidence();
  EXPECT_EQ(evidence.at(0).n, most);
  EXPECT_EQ(evidence.at(0).runs, 1u);
}

// --- the file

/// A ledger with something of everything.
LedgerContent sample_content() {
  LedgerContent content;
  content.runs = {{"aa", 1}, {"bb", ~std::uint64_t{0}}};
  content.generations = {2, 1};
  LedgerHypothesis rate;
  rate.check = "mask_rate.drop_rate";
  rate.id = "S1";
  rate.name = "drop rate";
  rate.problem = kProblem;
  rate.p = 0.1;
  rate.runs = 2;
  rate.drops = {std::uint64_t{1} << 53, 1234567890123456};
  rate.alarm = LedgerAlarm{2, 12.345678901234567};
  LedgerHypothesis lag = rate;
  lag.id = "S6";
  lag.name = "lag 1";
  lag.p = std::nextafter(1.0 / 3, 1.0);
  lag.kind = LedgerKind::lag;
  lag.drops = {};
  lag.pairs = {3, 5, 6, 10};
  lag.alarm.reset();
  LedgerHypothesis late = rate;
  late.generation = 2;
  late.runs = 1;
  late.p = 0x1p-30;
  content.epochs = {{"cpu", "1.0", "cpu", "dialect=pytorch", 1, 2, {rate, lag}},
                    {"b", "", "x", "", 2, 2, {late}}};
  return content;
}

TEST_F(LedgerTest, ReadsBackWhatItWrote) {
  const std::string text = ledger_text(sample_content());
  const auto back = parse_ledger(text, path_);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(ledger_text(*back), text);
  EXPECT_EQ(back->runs[1].master_seed, ~std::uint64_t{0});
  EXPECT_EQ(back->epochs[0].hypotheses[0].drops.n, std::uint64_t{1} << 53);
  EXPECT_EQ(back->epochs[0].hypotheses[1].p, std::nextafter(1.0 / 3, 1.0));
  EXPECT_EQ(back->epochs[0].hypotheses[1].pairs, (stats::PairProducts{3, 5, 6, 10}));
  EXPECT_EQ(back->epochs[0].hypotheses[0].alarm->ln_e, 12.345678901234567);
  EXPECT_EQ(back->epochs[1].hypotheses[0].p, 0x1p-30);
}

TEST_F(LedgerTest, RefusesAFileCutShortAtAnyByte) {
  const std::string text = ledger_text(sample_content());
  for (std::size_t length = 0; length < text.size(); ++length) {
    const auto cut = parse_ledger(text.substr(0, length), path_);
    ASSERT_FALSE(cut) << length;
    EXPECT_EQ(cut.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(cut.error().message, HasSubstr(path_));
  }
  for (const std::size_t length : {std::size_t{0}, text.size() / 2, text.size() - 1}) {
    write(text.substr(0, length));
    expect_refused(length == 0 ? "it is empty" : "it is cut short");
  }
}

TEST_F(LedgerTest, SeesEveryChangedByte) {
  const std::string text = ledger_text(sample_content());
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const char flip : {'\x01', '\x20', '\x10'}) {
      std::string changed = text;
      changed[i] = static_cast<char>(changed[i] ^ flip);
      const auto parsed = parse_ledger(changed, path_);
      if (parsed) {
        EXPECT_EQ(ledger_text(*parsed), text) << "only white space may change: " << i;
      }
    }
  }
}

TEST_F(LedgerTest, BearsAnotherIndentation) {
  const std::string text = ledger_text(sample_content());
  EXPECT_TRUE(parse_ledger(Json::parse(text).dump() + "\n", path_));
  EXPECT_TRUE(parse_ledger(Json::parse(text).dump(4) + "\r\n", path_));
}

TEST_F(LedgerTest, RefusesForeignFiles) {
  for (const std::string foreign :
       {"null", "[]", "{}", "42", "\"dropcheck.ledger\"", "{\"schema\":1}", "{\"schema\":{}}",
        "{\"schema\":{\"name\":\"dropcheck.results\",\"major\":1,\"minor\":0}}", "{\"schema\":{\"name\":7}}",
        "<?xml version=\"1.0\"?>", "{\"record\":\"header\"}\n{\"record\":\"footer\"}\n", "\xff\xfe\x00"}) {
    write(foreign + "\n");
    expect_refused("no ledger");
  }
  write(std::string(100000, '[') + "\n");
  expect_refused("no ledger");
  std::string bottomless;
  for (int i = 0; i < 100000; ++i) bottomless += "{\"a\":";
  write(bottomless + "\n");
  expect_refused("no ledger");
}

TEST_F(LedgerTest, RefusesOtherVersions) {
  for (const auto& [major, minor] : std::vector<std::pair<int, int>>{{2, 0}, {0, 9}, {1, 1}}) {
    Json json = Json::parse(ledger_text(sample_content()));
    json["schema"]["major"] = major;
    json["schema"]["minor"] = minor;
    write(json.dump() + "\n");
    expect_refused("another version of dropcheck");
  }
}

/// The sample with one change and a checksum that fits it.
std::string tampered(const std::function<void(Json&)>& change) {
  Json json = Json::parse(ledger_text(sample_content()));
  change(json["content"]);
  json["checksum"] = text_fingerprint(json["content"].dump());
  return json.dump() + "\n";
}

TEST_F(LedgerTest, RefusesNumbersThatCannotBe) {
  EXPECT_TRUE(parse_ledger(tampered([](Json&) {}), path_));
  const auto first = [](Json& c) -> Json& { return c["epochs"][0]["hypotheses"][0]; };
  const auto second = [](Json& c) -> Json& { return c["epochs"][0]["hypotheses"][1]; };
  const std::vector<std::function<void(Json&)>> changes = {
      [](Json& c) { c["alpha"] = 0; },
      [](Json& c) { c["alpha"] = 1.5; },
      [](Json& c) { c.erase("alpha"); },
      [](Json& c) { c["runs"] = 3; },
      [](Json& c) { c["runs"].erase(1); },
      [](Json& c) { c["runs"][0]["master_seed"] = 17; },
      [](Json& c) { c["runs"][0]["master_seed"] = "0x"; },
      [](Json& c) { c["runs"][0]["master_seed"] = "0x11111111111111111"; },
      [](Json& c) { c["generations"][0] = 1; },
      [](Json& c) { c["generations"].push_back(1); },
      [](Json& c) { c["generations"] = Json::array(); },
      [](Json& c) { c["epochs"] = Json::object(); },
      [](Json& c) { c["epochs"][0] = 7; },
      [](Json& c) { c["epochs"][0]["first_run"] = 0; },
      [](Json& c) { c["epochs"][0]["last_run"] = 3; },
      [](Json& c) { c["epochs"][0]["backend"] = Json::array(); },
      [&](Json& c) { first(c)["p"] = 0.0; },
      [&](Json& c) { first(c)["p"] = 1; },
      [&](Json& c) { first(c)["p"] = "0.1"; },
      [&](Json& c) { first(c)["runs"] = 0; },
      [&](Json& c) { first(c)["runs"] = 3; },
      [&](Json& c) { first(c)["generation"] = 3; },
      [&](Json& c) { first(c)["generation"] = 2; },
      [&](Json& c) { first(c)["version"] = std::uint64_t{1} << 40; },
      [&](Json& c) { first(c)["rate"]["x"] = (std::uint64_t{1} << 53) + 1; },
      [&](Json& c) { first(c)["rate"]["n"] = 5; },
      [&](Json& c) { first(c)["rate"]["n"] = -5; },
      [&](Json& c) { first(c)["rate"]["n"] = 1e9; },
      [&](Json& c) { first(c).erase("rate"); },
      [&](Json& c) { first(c)["alarm"]["run"] = 3; },
      [&](Json& c) { first(c)["alarm"]["ln_e"] = nullptr; },
      [&](Json& c) { second(c)["lag"]["n11"] = 6; },
      [&](Json& c) { second(c)["lag"]["n"] = 7; },
      [&](Json& c) { second(c)["lag"].erase("n1L"); }};
  for (std::size_t i = 0; i < changes.size(); ++i)
    EXPECT_FALSE(parse_ledger(tampered(changes[i]), path_)) << "change " << i;
}

TEST_F(LedgerTest, IsNotOpenedWhereItCannotBeKept) {
  for (const std::string& path : {(folder_ / "missing" / "ledger.json").string(), std::string()}) {
    const auto ledger = Ledger::open(path);
    ASSERT_FALSE(ledger);
    EXPECT_EQ(ledger.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(ledger.error().message, HasSubstr("folder does not exist"));
  }
  fs::create_directory(path_);
  expect_refused("no plain file");
  fs::remove(path_);
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_FALSE(Ledger::open(path_));
  fs::remove(path_);
  const auto missing = Ledger::read(path_);
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("does not exist"));
}

TEST_F(LedgerTest, IsNotSavedWhenOnlyRead) {
  night(header_of(1), {result_of({rate_of(1000, 90)})});
  Ledger ledger = looked_at();
  const std::string before = bytes();
  EXPECT_FALSE(ledger.save());
  EXPECT_EQ(bytes(), before);
}

TEST_F(LedgerTest, LeavesAFileAloneThatSomeoneElseHasChanged) {
  night(header_of(1), {result_of({rate_of(1000, 90)})});
  Ledger ledger = opened();
  ledger.add(header_of(2), result_of({rate_of(1000, 90)}));
  write("notes of mine");
  const Status saved = ledger.save();
  ASSERT_FALSE(saved);
  EXPECT_THAT(saved.error().message, HasSubstr("changed by someone else"));
  EXPECT_EQ(bytes(), "notes of mine");
  fs::remove(path_);
  EXPECT_FALSE(ledger.save()) << "removed meanwhile";
}

TEST_F(LedgerTest, KeepsTheOldFileWhenTheNewOneCannotBeWritten) {
  night(header_of(1), {result_of({rate_of(1000, 90)})});
  const std::string before = bytes();
  fs::create_directories(fs::path(path_ + ".new") / "in the way");
  Ledger ledger = opened();
  ledger.add(header_of(2), result_of({rate_of(1000, 90)}));
  const Status saved = ledger.save();
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().code, ErrorCode::io);
  EXPECT_EQ(bytes(), before);
  fs::remove_all(path_ + ".new");
  EXPECT_TRUE(ledger.save()) << "once more, with the way free";
  EXPECT_THAT(looked_at().content().runs, SizeIs(2));
  EXPECT_FALSE(fs::exists(path_ + ".new"));
}

TEST_F(LedgerTest, ReplacesWhatALinkPointsTo) {
  const fs::path target = folder_ / "target.json";
  std::ofstream(target, std::ios::binary) << ledger_text(sample_content());
  fs::permissions(target, fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink(target, path_);
  night(header_of(99), {result_of({rate_of(1000, 90)})});
  EXPECT_TRUE(fs::is_symlink(path_));
  EXPECT_FALSE(fs::is_symlink(target));
  EXPECT_EQ(fs::status(target).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_THAT(looked_at().content().runs, SizeIs(3));
}

// --- two processes

/// Runs `body` in a child process; its result is the exit status, or minus the signal that ended it.
int in_child(const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST_F(LedgerTest, IsHeldByOneProcessAtATime) {
  const auto try_to_open = [&] {
    const auto ledger = Ledger::open(path_);
    if (ledger) return 0;
    return ledger.error().message.find("another run holds") == std::string::npos ? 2 : 1;
  };
  {
    const Ledger held = opened();
    EXPECT_EQ(in_child(try_to_open), 1);
    EXPECT_FALSE(Ledger::open(path_)) << "nor twice by one process";
  }
  EXPECT_EQ(in_child(try_to_open), 0);
  // A holder that is killed leaves no lock behind.
  EXPECT_EQ(in_child([&] {
              const auto held = Ledger::open(path_);
              return raise(held ? SIGKILL : SIGTERM);
            }),
            -SIGKILL);
  EXPECT_TRUE(Ledger::open(path_));
}

TEST_F(LedgerTest, MayBeLookedAtDuringARun) {
  night(header_of(1), {result_of({rate_of(1000, 90)})});
  const Ledger held = opened();
  EXPECT_EQ(in_child([&] { return Ledger::read(path_) ? 0 : 1; }), 0);
}

TEST_F(LedgerTest, LosesNoNightWhenManyProcessesTry) {
  // Each child adds nights of its own until it has had 8; refusals are tried again.
  constexpr int kChildren = 4, kNights = 8;
  std::array<pid_t, kChildren> children{};
  for (int c = 0; c < kChildren; ++c) {
    children[static_cast<std::size_t>(c)] = fork();
    if (children[static_cast<std::size_t>(c)] != 0) continue;
    for (int i = 0; i < kNights;) {
      auto ledger = Ledger::open(path_);
      if (!ledger) {
        usleep(500);
        continue;
      }
      ledger->add(header_of(static_cast<std::uint64_t>(100 * c + i)), result_of({rate_of(1000, 90)}));
      if (!ledger->save()) _exit(1);
      ++i;
    }
    _exit(0);
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  const auto evidence = looked_at().evidence();
  ASSERT_THAT(evidence, SizeIs(1));
  EXPECT_EQ(evidence[0].n, 1000u * kChildren * kNights);
  EXPECT_EQ(evidence[0].runs, std::uint64_t{kChildren * kNights});
}

TEST_F(LedgerTest, IsWholeAtEveryMomentOfAWriterThatIsKilled) {
  night(header_of(1), {result_of({rate_of(1000, 90)})});
  std::uint64_t looks = 0;
  for (std::uint64_t round = 1; round <= 5; ++round) {
    const pid_t writer = fork();
    if (writer == 0) {
      for (std::uint64_t i = 0;; ++i) {
        auto ledger = Ledger::open(path_);
        if (!ledger) continue;
        ledger->add(header_of(round << 32 | i), result_of({rate_of(1000, 90)}));
        if (!ledger->save()) _exit(1);
      }
    }
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(60);
    while (std::chrono::steady_clock::now() < until) {
      const auto seen = Ledger::read(path_);
      ASSERT_TRUE(seen) << seen.error().message;
      ++looks;
    }
    kill(writer, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(writer, &status, 0), writer);
    EXPECT_TRUE(WIFSIGNALED(status));
    const Ledger after = opened();  // also: the lock went with the writer
    EXPECT_EQ(after.evidence().at(0).n, 1000 * after.content().runs.size());
  }
  EXPECT_GT(looks, 10u);
  EXPECT_GT(looked_at().content().runs.size(), 5u);
}

TEST(AtomicFile, IsReadUpToABound) {
  const std::string path = ::testing::TempDir() + "dropcheck_atomic_file_test";
  ASSERT_TRUE(replace_file(path, "12345"));
  EXPECT_EQ(**read_plain_file(path, 5), "12345");
  EXPECT_FALSE(read_plain_file(path, 4));
  ASSERT_TRUE(replace_file(path, ""));
  EXPECT_EQ(**read_plain_file(path, 0), "");
  fs::remove(path);
  const auto none = read_plain_file(path, 5);
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->has_value());
}

}  // namespace
}  // namespace dropcheck
