// channel_correlation.lags and structural_lags on masks written bit by bit.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>

#include "harness/run/chunker.hpp"
#include "harness/stats/binomial.hpp"
#include "suites/checks.hpp"
#include "suites/testing/streams.hpp"

namespace dropcheck::suites {
namespace {

using testing::fill_ideal;
using testing::FillMask;
using ::testing::HasSubstr;
using testing::ideal;
using testing::judge_stream;
using testing::Stream;

const Check& check(const char* id) {
  static const Registry registry = [] {
    Registry made;
    add_lags(made);
    return made;
  }();
  return *registry.check(id);
}

constexpr const char* kLags = "channel_correlation.lags";
constexpr const char* kStructural = "channel_correlation.structural_lags";

const Stream kTenth{"op=dropout,p=0.1,shape=65536", 4, 4, 1, "mask"};
const Stream kHalf{"op=dropout,p=0.5,shape=65536", 1, 2, 2, "mask"};

const Statistic& named(const Judgement& j, const std::string& name) {
  for (const Statistic& s : j.statistics)
    if (s.name == name) return s;
  throw std::logic_error("no statistic of that name");
}

TEST(Lags, PassIdealMasksAndSayWhatTheyWouldCatch) {
  for (const char* id : {kLags, kStructural}) {
    for (const Stream& stream : {kTenth, kHalf}) {
      const SampleInfo sample = testing::sample_of(stream);
      const Judgement j = judge_stream(check(id), stream, ideal(sample.problem.p));
      EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
      EXPECT_EQ(j.statistics.size(), check(id).hypotheses(sample));
      double weakest = 0;
      for (const Statistic& s : j.statistics) {
        EXPECT_EQ(s.counts[4].first, "n");
        EXPECT_NEAR(s.effect->value, 0, s.minimum_detectable_effect->value) << s.name;
        weakest = std::max(weakest, s.minimum_detectable_effect->value);
      }
      EXPECT_EQ(check(id).detectable(sample, 1e-9, kBeta)->value, weakest);
    }
  }
}

TEST(Lags, ArePlannedWhereTheyHavePairsEnough) {
  const auto hypotheses = [](const char* id, const char* descriptor, std::uint64_t blocks,
                             std::uint32_t calls) {
    return check(id).hypotheses(testing::sample_of({descriptor, blocks, calls, 1, "mask"}));
  };
  EXPECT_EQ(hypotheses(kLags, "op=dropout,p=0.3,shape=1048576", 1, 1), 64u);
  EXPECT_EQ(hypotheses(kStructural, "op=dropout,p=0.3,shape=1048576", 1, 1), 26u);
  // Chunks of 100 entries: lags to 50, and none of the structural ones.
  EXPECT_EQ(hypotheses(kLags, "op=dropout,p=0.3,shape=100", 1000, 1), 50u);
  EXPECT_EQ(hypotheses(kStructural, "op=dropout,p=0.3,shape=100", 1000, 1), 0u);
  EXPECT_FALSE(
      check(kStructural).applies(testing::sample_of({"op=dropout,p=0.3,shape=100", 1000, 1})).applies);
  // At a rate of 1 in 1000 a million entries have one pair in common.
  const auto rare = check(kLags).applies(testing::sample_of({"op=dropout,p=0.001,shape=1048576", 4, 1}));
  EXPECT_FALSE(rare.applies);
  EXPECT_THAT(rare.left_out, HasSubstr("too few pairs"));
}

struct Calibrated {
  const char* id;
  Stream stream;
};

class LagCalibration : public ::testing::TestWithParam<Calibrated> {};

TEST_P(LagCalibration, RejectsNoMoreOftenThanItsLevel) {
  constexpr std::uint64_t kRuns = 150;
  constexpr double kAlpha = 0.01;
  const SampleInfo sample = testing::sample_of(GetParam().stream);
  const unsigned hypotheses = check(GetParam().id).hypotheses(sample);
  Stream run = GetParam().stream;
  std::uint64_t all = 0;
  std::map<std::string, std::uint64_t> rejections;
  for (std::uint64_t i = 0; i < kRuns; ++i) {
    run.seed = 1000 + i;
    for (const Statistic& s :
         judge_stream(check(GetParam().id), run, ideal(sample.problem.p), kAlpha).statistics) {
      rejections[s.name] += s.rejects() ? 1u : 0u;
      all += s.rejects() ? 1u : 0u;
    }
  }
  EXPECT_EQ(rejections.size(), hypotheses);
  for (const auto& [name, count] : rejections)
    EXPECT_GT(stats::binomial_upper_tail(kRuns, count, kAlpha), 1e-7) << name << ": " << count;
  // Lags are uncorrelated, so their rejections add up almost like independent ones; and the level is used.
  EXPECT_GT(stats::binomial_upper_tail(kRuns * hypotheses, all, kAlpha), 1e-6) << all;
  EXPECT_GT(stats::binomial_lower_tail(kRuns * hypotheses, all, kAlpha / 2), 1e-6) << all;
}

INSTANTIATE_TEST_SUITE_P(Checks, LagCalibration,
                         ::testing::Values(Calibrated{kLags, {"op=dropout,p=0.1,shape=13000", 1, 1}},
                                           Calibrated{kLags, {"op=dropout,p=0.6,shape=4500", 1, 1}},
                                           Calibrated{kStructural, {"op=dropout,p=0.5,shape=2500", 1, 2}}));

/// One draw for `group` neighbours, `stride` apart.
FillMask grouped(double p, std::uint64_t group, std::uint64_t stride) {
  return [=](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    MaskBits draws(mask.size());
    fill_ideal(draws, engine, p);
    for (std::uint64_t i = 0; i < mask.size(); ++i)
      if (draws[i / (group * stride) * stride + i % stride]) mask.set(i);
  };
}

TEST(Lags, NameTheLanesThatOneDrawServes) {
  const Judgement j = judge_stream(check(kLags), kTenth, grouped(0.1, 4, 1));
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("entries 1 apart are dropped together: correlation 0.7"));
  EXPECT_THAT(j.message, HasSubstr("elements 4k..4k+3 agree: one draw may serve 4 lanes"));
  EXPECT_TRUE(named(j, "lag 3").rejects());
  EXPECT_FALSE(named(j, "lag 4").rejects());
  EXPECT_NEAR(named(j, "lag 2").effect->value, 0.5, 0.02);
  EXPECT_EQ(judge_stream(check(kStructural), kTenth, grouped(0.1, 4, 1)).verdict, Verdict::pass);
}

TEST(Lags, NameTheRowsThatOneDrawServes) {
  const Judgement j = judge_stream(check(kStructural), kTenth, grouped(0.1, 4, 128));
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("entries 128 apart are dropped together"));
  EXPECT_THAT(j.message, HasSubstr("4 entries that lie 128 apart agree"));
  EXPECT_TRUE(named(j, "lag 384").rejects());
  EXPECT_FALSE(named(j, "lag 512").rejects());
  EXPECT_EQ(judge_stream(check(kLags), kTenth, grouped(0.1, 4, 128)).verdict, Verdict::pass);
}

TEST(Lags, NameAPeriod) {
  const FillMask periodic = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    MaskBits first(512);
    fill_ideal(first, engine, 0.1);
    for (std::uint64_t i = 0; i < mask.size(); ++i)
      if (first[i % 512]) mask.set(i);
  };
  const Judgement j = judge_stream(check(kStructural), kTenth, periodic);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("the mask repeats itself every"));
}

TEST(Lags, SeeDropsThatAvoidEachOther) {
  // Exactly one drop in each ten entries.
  const FillMask spread = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    for (std::uint64_t i = 0; i + 10 <= mask.size(); i += 10) mask.set(i + engine() % 10);
  };
  const Judgement j = judge_stream(check(kLags), kTenth, spread);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("less often than independent ones"));
  EXPECT_THAT(j.message, HasSubstr("keep a distance from each other"));
}

/// Entries follow the one `lag` before with correlation rho.
FillMask following(double p, std::uint64_t lag, double rho) {
  return [=](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    for (std::uint64_t i = 0; i < mask.size(); ++i) {
      const double rate = i < lag ? p : mask[i - lag] ? p + rho * (1 - p) : p - rho * p;
      if (static_cast<double>(engine() >> 11) * 0x1p-53 < rate) mask.set(i);
    }
  };
}

TEST(Lags, CatchAnEffectOfTheStatedSizeAtThatLagAlone) {
  // At the stated effect one miss in a million is allowed, so none in 20 runs at both rates.
  for (const Stream& base : {kTenth, kHalf}) {
    const SampleInfo sample = testing::sample_of(base);
    const double p = sample.problem.p;
    const double rho = check(kLags).detectable(sample, 1e-9, kBeta)->value;
    EXPECT_NEAR(rho, 10.9 / std::sqrt(static_cast<double>(sample.mask_entries())), 0.3 * rho);
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
      Stream run = base;
      run.seed = 50 + seed;
      const Judgement j = judge_stream(check(kLags), run, following(p, 37, rho * 1.05));
      EXPECT_TRUE(named(j, "lag 37").rejects()) << seed << " " << p;
      EXPECT_THAT(j.message, HasSubstr("entries 37 apart are dropped together"));
      for (const Statistic& s : j.statistics) EXPECT_EQ(s.rejects(), s.name == "lag 37") << s.name;
    }
  }
}

TEST(Lags, LookAtTheNamedHypothesisAloneUnderAFocus) {
  const Judgement j =
      judge_stream(check(kLags), kTenth, grouped(0.1, 4, 1), 1e-9, Focus{"lag 2", std::nullopt});
  ASSERT_EQ(j.statistics.size(), 1u);
  EXPECT_EQ(j.statistics.front().name, "lag 2");
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("elements 4k..4k+3 agree"));
}

TEST(Lags, GiveTheSameIntegersHoweverBlocksAreMerged) {
  const Check& c = check(kStructural);
  const auto all = testing::observe(c, kTenth, ideal(0.1), 0, 4);
  auto left = testing::observe(c, kTenth, ideal(0.1), 0, 1);
  auto right = testing::observe(c, kTenth, ideal(0.1), 1, 2);
  right->merge(*testing::observe(c, kTenth, ideal(0.1), 2, 4));
  left->merge(*right);
  JudgeContext context;
  context.sample = testing::sample_of(kTenth);
  context.p = 0.1;
  context.alpha = 1e-9;
  const Judgement a = c.judge(*all, context), b = c.judge(*left, context);
  ASSERT_EQ(a.statistics.size(), b.statistics.size());
  for (std::size_t i = 0; i < a.statistics.size(); ++i) {
    EXPECT_EQ(a.statistics[i].counts, b.statistics[i].counts);
    EXPECT_EQ(a.statistics[i].p_value, b.statistics[i].p_value);
  }
}

TEST(Lags, AreInconclusiveAtARateThatAllowsNoTail) {
  // Nearly nothing was dropped and the rate was estimated from that.
  const Check& c = check(kLags);
  JudgeContext context;
  context.sample = testing::sample_of(kTenth);
  context.alpha = 1e-9;
  context.recentred = true;
  for (const double p : {0.0, 1e-6, 1.0}) {
    context.p = p;
    const Judgement j = c.judge(*testing::observe(c, kTenth, ideal(p), 0, 4), context);
    EXPECT_EQ(j.verdict, Verdict::inconclusive) << p;
    EXPECT_TRUE(j.statistics.empty());
  }
}

TEST(Lags, ReadMemoryOrderApart) {
  // Channels-last output: neighbours in memory are neighbours in the channel.
  Stream stream{"op=dropout,p=0.1,shape=4x8x32x32,layout=channels_last", 1, 1, 1, "mask"};
  const Check& c = check(kLags);
  const SampleInfo sample = testing::sample_of(stream);
  ASSERT_TRUE(has_memory_order(sample.problem));
  EXPECT_EQ(c.hypotheses(sample), 128u);
  const auto observer = c.observer(sample);
  std::mt19937_64 engine(3);
  for (const Order order : {Order::logical, Order::memory}) {
    MaskBits bits(4 * 8 * 32 * 32);
    if (order == Order::logical) fill_ideal(bits, engine, 0.1);
    else grouped(0.1, 2, 1)(bits, engine, 0, 0);
    Chunker chunker(order, 0, [&](const Chunk& chunk) { observer->observe_chunk(chunk); });
    chunker.append(bits, 0.1);
    chunker.finish();
  }
  JudgeContext context;
  context.sample = sample;
  context.p = 0.1;
  context.alpha = 1e-9;
  const Judgement j = c.judge(*observer, context);
  EXPECT_EQ(j.statistics.size(), 128u);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("entries 1 apart in memory are dropped together"));
  EXPECT_THAT(j.message, HasSubstr("elements 2k..2k+1 agree: one draw may serve 2 lanes"));
  EXPECT_FALSE(named(j, "lag 1").rejects());
}

}  // namespace
}  // namespace dropcheck::suites
