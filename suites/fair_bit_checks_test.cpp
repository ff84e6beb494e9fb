// channel_correlation: rank, linear complexity, collisions and birthday spacings, with planted generators.
#include <gmock/gmock.h>

#include <random>

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

const Registry& checks() {
  static const Registry registry = [] {
    Registry made;
    add_fair_bits(made);
    add_linear_complexity(made);
    return made;
  }();
  return registry;
}
const Check& check(const char* id) { return *checks().check(id); }

constexpr const char* kRank = "channel_correlation.rank";
constexpr const char* kComplexity = "channel_correlation.linear_complexity";
constexpr const char* kCollisions = "channel_correlation.collisions";
constexpr const char* kBirthday = "channel_correlation.birthday";

const Stream kFair{"op=dropout,p=0.5,shape=1048576", 24, 1, 1, "deep_mask"};

TEST(FairBitChecks, PassGoodBits) {
  for (const auto& c : checks().checks()) {
    const Judgement j = judge_stream(*c, kFair, ideal(0.5));
    EXPECT_EQ(j.verdict, Verdict::pass) << c->info().id << ": " << j.message;
    EXPECT_EQ(j.statistics.size(), c->hypotheses(testing::sample_of(kFair)));
    EXPECT_GT(j.comparisons, 0u);
    for (const Statistic& s : j.statistics) EXPECT_TRUE(s.minimum_detectable_effect.has_value()) << s.name;
  }
}

TEST(FairBitChecks, WorkOnBitsOfAMaskOfAnyDropProbability) {
  const Stream stream{"op=dropout,p=0.3,shape=1048576", 24, 1, 1, "deep_mask"};
  for (const char* id : {kCollisions, kRank}) {
    const Check& c = check(id);
    ASSERT_EQ(c.applies(testing::sample_of({stream.descriptor, 96, 1, 1, "deep_mask"})).applies, true) << id;
  }
  const Judgement j = judge_stream(check(kBirthday), {stream.descriptor, 24, 1, 1, "deep_mask"}, ideal(0.3));
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  EXPECT_THAT(j.statistics.at(0).null_law, HasSubstr("the first of two entries that differ"));
  EXPECT_FALSE(check(kComplexity).applies(testing::sample_of(stream)).applies);
}

TEST(Rank, SeesBitsThatAreSumsOfOthers) {
  // In one word of 64 rows, the exclusive or of the 63 before it.
  const FillMask fill = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    fill_ideal(mask, engine, 0.5);
    const auto words = mask.words();
    for (std::size_t first = 0; first + 64 <= words.size(); first += 64 * (1 + engine() % 8)) {
      words[first + 63] = 0;
      for (std::size_t i = 0; i < 63; ++i) words[first + 63] ^= words[first + i];
    }
  };
  const Judgement j = judge_stream(check(kRank), kFair, fill);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("linear functions of too few others"));
  EXPECT_EQ(judge_stream(check(kCollisions), kFair, fill).verdict, Verdict::pass);
  EXPECT_EQ(judge_stream(check(kBirthday), kFair, fill).verdict, Verdict::pass);
}

TEST(LinearComplexity, AloneSeesTheMersenneTwisterAndNeverFailsARun) {
  const Stream stream{"op=dropout,p=0.5,shape=65536", 2, 1, 1, "deep_mask"};
  const FillMask fill = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    std::mt19937 twister(static_cast<std::uint32_t>(engine()));
    for (std::uint64_t i = 0; i < mask.size(); ++i)
      if (twister() >> 31 != 0) mask.set(i);
  };
  const Judgement j = judge_stream(check(kComplexity), stream, fill);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("that of MT19937"));
  EXPECT_EQ(check(kComplexity).info().level, Level::recommended);
  for (const char* id : {kRank, kCollisions, kBirthday}) EXPECT_EQ(check(id).info().level, Level::required);
}

TEST(Collisions, SeeAGeneratorWithFewOutputs) {
  const FillMask fill = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    // Stretches of 24 entries are one of 2^19.
    for (std::uint64_t first = 0; first + 24 <= mask.size(); first += 24) {
      const std::uint64_t value = (engine() & 0x7ffff) * 0x9e3779b97f4a7c15u >> 40;
      for (std::uint64_t b = 0; b < 24; ++b)
        if ((value >> b) & 1) mask.set(first + b);
    }
  };
  const Judgement j = judge_stream(check(kCollisions), kFair, fill);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("too few outputs"));
}

TEST(Birthday, SeesALatticeOfSpacings) {
  const FillMask fill = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    // Every word of 32 entries is a multiple of 2^11: distances repeat, words hardly do.
    fill_ideal(mask, engine, 0.5);
    for (std::uint64_t& word : mask.words()) word &= 0xfffff800fffff800u;
  };
  const Judgement j = judge_stream(check(kBirthday), kFair, fill);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("lattice"));
}

TEST(FairBitChecks, ApplyInLargeSamplesOnly) {
  const SampleInfo small = testing::sample_of({"op=dropout,p=0.1,shape=65536", 4, 1, 1, "deep_mask"});
  for (const char* id : {kRank, kCollisions, kBirthday}) {
    EXPECT_FALSE(check(id).applies(small).applies) << id;
    EXPECT_THAT(check(id).applies(small).left_out, HasSubstr("fewer than")) << id;
  }
  const SampleInfo large = testing::sample_of({"op=dropout,p=0.1,shape=1048576", 4096, 4, 1, "deep_mask"});
  for (const char* id : {kRank, kCollisions, kBirthday}) EXPECT_TRUE(check(id).applies(large).applies) << id;
}

TEST(FairBitChecks, DetectSmallerEffectsInLargerSamples) {
  for (const char* id : {kRank, kCollisions, kBirthday}) {
    Stream stream = kFair;
    double before = 1e9;
    for (int i = 0; i < 3; ++i, stream.blocks *= 8) {
      const auto effect = check(id).detectable(testing::sample_of(stream), 1e-10, 1e-6 / 3);
      ASSERT_TRUE(effect.has_value());
      EXPECT_LT(effect->value, before) << id;
      before = effect->value;
    }
  }
}

TEST(FairBitChecks, SayNothingOfAMaskThatTurnsOutNotToBeFair) {
  const Stream stream{"op=dropout,p=0.5,shape=65536", 1, 1, 1, "deep_mask"};
  JudgeContext context;
  context.sample = testing::sample_of(stream);
  context.alpha = 1e-9;
  context.p = 0.49;
  for (const auto& c : checks().checks()) {
    const auto seen = testing::observe(*c, stream, ideal(0.5), 0, 1);
    context.recentred = true;
    EXPECT_TRUE(c->judge(*seen, context).statistics.empty()) << c->info().id;
    context.recentred = false;
    EXPECT_EQ(c->judge(*seen, context).verdict, Verdict::inconclusive) << c->info().id;
  }
}

TEST(FairBitChecks, MergeToTheSameIntegersInAnyGrouping) {
  const Stream stream{"op=dropout,p=0.5,shape=400001", 6, 1, 4, "deep_mask"};
  JudgeContext context;
  context.sample = testing::sample_of(stream);
  context.p = 0.5;
  context.alpha = 1e-9;
  for (const auto& c : checks().checks()) {
    auto left = testing::observe(*c, stream, ideal(0.5), 0, 2);
    left->merge(*testing::observe(*c, stream, ideal(0.5), 2, 6));
    auto right = testing::observe(*c, stream, ideal(0.5), 3, 6);
    right->merge(*testing::observe(*c, stream, ideal(0.5), 0, 3));
    const Judgement a = c->judge(*left, context), b = c->judge(*right, context);
    ASSERT_EQ(a.statistics.size(), b.statistics.size());
    for (std::size_t i = 0; i < a.statistics.size(); ++i)
      EXPECT_TRUE(a.statistics[i].counts == b.statistics[i].counts) << a.statistics[i].name;
  }
}

TEST(FairBitChecks, RejectNoMoreOftenThanTheirLevel) {
  constexpr std::uint64_t kRuns = 25;
  for (const char* id : {kCollisions, kBirthday}) {
    const auto alarms = testing::false_alarms(
        check(id), {"op=dropout,p=0.5,shape=131072", 24, 1, 3, "deep_mask"}, 0.05, kRuns);
    EXPECT_GT(stats::binomial_upper_tail(kRuns, alarms.rejections, 0.05), 1e-6) << alarms.hypothesis;
  }
  const auto alarms = testing::false_alarms(check(kComplexity),
                                            {"op=dropout,p=0.5,shape=45000", 1, 1, 3, "deep_mask"}, 0.05, 10);
  EXPECT_GT(stats::binomial_upper_tail(10, alarms.rejections, 0.05), 1e-6) << alarms.hypothesis;
}

}  // namespace
}  // namespace dropcheck::suites
