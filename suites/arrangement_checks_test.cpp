// mask_rate: dispersion, distances, longest runs, drift and the histogram of words. Masks written bit by bit,
// with one defect each.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <numeric>

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
    add_blocks(made);
    add_dispersion(made);
    add_gaps(made);
    add_longest_run(made);
    add_drift(made);
    return made;
  }();
  return registry;
}
const Check& check(const char* id) { return *checks().check(id); }

constexpr const char* kDispersion = "mask_rate.dispersion";
constexpr const char* kGaps = "mask_rate.gaps";
constexpr const char* kRuns = "mask_rate.longest_run";
constexpr const char* kDrift = "mask_rate.drift";
constexpr const char* kHistogram = "mask_rate.block_histogram";

// Chunks of odd length and calls that do not end with a word; and blocks of several chunks.
const Stream kOdd{"op=dropout,p=0.3,shape=65001", 4, 4, 1, "mask"};
const Stream kFair{"op=dropout,p=0.5,shape=700000", 2, 2, 1, "mask"};

void put(MaskBits& mask, std::uint64_t i, bool drop) {
  const std::uint64_t bit = std::uint64_t{1} << (i % 64);
  std::uint64_t& word = mask.words()[i / 64];
  word = drop ? word | bit : word & ~bit;
}

const Statistic& named(const Judgement& judgement, const std::string& name) {
  for (const Statistic& s : judgement.statistics)
    if (s.name == name) return s;
  throw std::logic_error(std::string("no statistic ").append(name));
}

/// Exactly `drops` of each `block` entries, at random places.
FillMask exact_counts(std::uint64_t block, std::uint64_t drops) {
  return [=](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    std::vector<std::uint64_t> places(block);
    for (std::uint64_t first = 0; first + block <= mask.size(); first += block) {
      std::iota(places.begin(), places.end(), first);
      std::shuffle(places.begin(), places.end(), engine);
      for (std::uint64_t i = 0; i < drops; ++i) put(mask, places[i], true);
    }
  };
}

TEST(ArrangementChecks, PassIdealMasksAndSayWhatTheyWouldCatch) {
  for (const auto& c : checks().checks())
    for (const Stream& stream : {kOdd, kFair}) {
      const double p = testing::sample_of(stream).problem.p;
      const Judgement j = judge_stream(*c, stream, ideal(p));
      EXPECT_EQ(j.verdict, Verdict::pass) << c->info().id << ": " << j.message;
      EXPECT_GT(j.comparisons, 0u);
      EXPECT_EQ(j.statistics.size(), c->hypotheses(testing::sample_of(stream))) << c->info().id;
      for (const Statistic& s : j.statistics) {
        EXPECT_EQ(s.id, c->info().statistics.at(0));
        EXPECT_FALSE(s.counts.empty()) << s.name;
        EXPECT_FALSE(s.null_law.empty()) << s.name;
        ASSERT_TRUE(s.minimum_detectable_effect.has_value()) << s.name;
        EXPECT_TRUE(std::isfinite(s.minimum_detectable_effect->value)) << s.name;
        EXPECT_EQ(s.effect->unit, s.minimum_detectable_effect->unit) << s.name;
      }
    }
}

TEST(ArrangementChecks, RejectNoMoreOftenThanTheirLevel) {
  constexpr std::uint64_t kRuns100 = 100;
  const Stream small{"op=dropout,p=0.4,shape=131073", 1, 1, 17, "mask"};
  for (const auto& c : checks().checks()) {
    const testing::FalseAlarms worst = testing::false_alarms(*c, small, 0.02, kRuns100);
    EXPECT_EQ(worst.hypotheses, c->hypotheses(testing::sample_of(small))) << c->info().id;
    const double each = 1e-6 / static_cast<double>(worst.hypotheses);
    EXPECT_GT(stats::binomial_upper_tail(kRuns100, worst.rejections, 0.02), each)
        << c->info().id << ", " << worst.hypothesis << ": " << worst.rejections;
  }
}

TEST(ArrangementChecks, GiveTheSameIntegersHoweverBlocksAreSplit) {
  const Stream stream{"op=dropout,p=0.3,shape=65001", 6, 2, 3, "mask"};
  for (const auto& c : checks().checks()) {
    JudgeContext context;
    context.sample = testing::sample_of(stream);
    context.p = 0.3;
    context.alpha = 1e-9;
    const Judgement whole = c->judge(*testing::observe(*c, stream, ideal(0.3), 0, 6), context);
    for (const std::uint64_t cut : {1u, 3u, 5u}) {
      auto left = testing::observe(*c, stream, ideal(0.3), 0, cut);
      left->merge(*testing::observe(*c, stream, ideal(0.3), cut, 6));
      const Judgement parts = c->judge(*left, context);
      ASSERT_EQ(parts.statistics.size(), whole.statistics.size());
      for (std::size_t i = 0; i < whole.statistics.size(); ++i) {
        EXPECT_EQ(parts.statistics[i].counts, whole.statistics[i].counts) << whole.statistics[i].name;
        EXPECT_EQ(parts.statistics[i].p_value, whole.statistics[i].p_value);
      }
    }
  }
}

TEST(ArrangementChecks, TestAChosenCellAloneOnFreshData) {
  for (const char* id : {kHistogram, kGaps}) {
    const Judgement j =
        judge_stream(check(id), kOdd, ideal(0.3), 1e-4, Focus{"oddest", std::optional<std::uint64_t>(2)});
    const Statistic& s = j.statistics.at(1);
    EXPECT_EQ(s.cell, 2u);
    EXPECT_EQ(s.engine, "binomial_exact");
    EXPECT_EQ(s.counts.at(3).second.at(0), 1) << id;
    EXPECT_EQ(s.rejects(), *s.effect->lower > s.null_parameters[1].second ||
                               *s.effect->upper < s.null_parameters[1].second);
  }
}

TEST(ArrangementChecks, AreCarefulWithAProbabilityThatWasEstimated) {
  // Nothing dropped at all: the estimate is 0, and the arrangement of nothing is no evidence.
  const FillMask nothing = [](MaskBits&, std::mt19937_64&, std::uint64_t, std::uint32_t) {};
  // A plain wrong rate, honestly drawn.
  for (const auto& c : checks().checks()) {
    for (const double p : {0.0, 0.25}) {
      JudgeContext context;
      context.sample = testing::sample_of(kOdd);
      context.alpha = 1e-9;
      context.recentred = true;
      const auto seen = testing::observe(*c, kOdd, p == 0 ? nothing : ideal(p), 0, kOdd.blocks);
      // What the estimate of the rate would be.
      context.p = p;
      const Judgement j = c->judge(*seen, context);
      EXPECT_NE(j.verdict, Verdict::fail) << c->info().id << ' ' << p << ": " << j.message;
      for (const Statistic& s : j.statistics) EXPECT_NE(s.name, "walk");
    }
  }
  // Not re-centred, the walk shows the rate, and the positions do not mind it.
  const Judgement off = judge_stream(check(kDrift), kOdd, ideal(0.25));
  EXPECT_TRUE(named(off, "walk").rejects());
  EXPECT_FALSE(named(off, "position of drops").rejects());
}

TEST(ArrangementChecks, ChecksFallOrStandStillAsSamplesGrow) {
  for (const auto& c : checks().checks()) {
    double last = std::numeric_limits<double>::infinity();
    for (const std::uint64_t blocks : {8u, 64u, 512u}) {
      const SampleInfo sample{"mask", testing::sample_of(kFair).problem, blocks, 2};
      const auto effect = c->detectable(sample, 1e-10, 1e-6 / 3);
      ASSERT_TRUE(effect) << c->info().id;
      EXPECT_DOUBLE_EQ(effect->power, 1 - 1e-6 / 3);
      // One run of entries becomes less remarkable among more of them.
      if (c->info().id == kRuns) EXPECT_LT(effect->value, 80);
      else EXPECT_LT(effect->value, last) << c->info().id;
      last = effect->value;
    }
  }
}

TEST(Dispersion, CatchesBlocksWithExactCounts) {
  const Judgement j =
      judge_stream(check(kDispersion), {"op=dropout,p=0.5,shape=524288", 2, 2}, exact_counts(1024, 512));
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("blocks of 1024"));
  EXPECT_THAT(j.message, HasSubstr("fixed number of drops"));
  EXPECT_NEAR(named(j, "blocks of 1024").effect->value, -1.0 / 1023, 1e-12);
  EXPECT_TRUE(named(j, "blocks of 64").rejects());  // 64 of an exact 1024 vary 6 % less
}

// Small calls, of which chunks hold many.
const Stream kSmallCalls{"op=dropout,p=0.3,shape=4099", 4, 128, 1, "position"};

TEST(Dispersion, CatchesCallsWithExactCounts) {
  const Judgement j = judge_stream(check(kDispersion), kSmallCalls, exact_counts(4099, 1230));
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("in whole calls of 4099 mask entries varies"));
  EXPECT_THAT(j.message, HasSubstr("each call seems to get a fixed number of drops"));
  // 1230 drops of 1229.7 expected: (c - n p)^2 / (n p q) is 0.09 / 860.79.
  EXPECT_NEAR(named(j, "whole calls").effect->value, (0.09 / 860.79 - 1) / 4098, 1e-9);
  EXPECT_FALSE(named(j, "blocks of 64").rejects());
}

TEST(Dispersion, CatchesCallsWithRatesOfTheirOwn) {
  const FillMask calls = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    fill_ideal(mask, engine, engine() % 2 == 0 ? 0.28 : 0.32);
  };
  const Judgement j = judge_stream(check(kDispersion), kSmallCalls, calls);
  EXPECT_EQ(j.verdict, Verdict::fail);
  // 1 + (n - 1) 0.02^2 / (p q) = 8.8 times the variance.
  EXPECT_NEAR(named(j, "whole calls").effect->value, 4e-4 / 0.21, 5e-4);
}

TEST(Dispersion, CountsWholeCallsWhereThereAreEnoughLargeOnes) {
  const auto with = [](const char* descriptor, std::uint64_t blocks, std::uint32_t calls) {
    return SampleInfo{"position", testing::sample_of({descriptor}).problem, blocks, calls};
  };
  const auto of_calls = [&](const SampleInfo& sample) {
    const std::uint64_t entries = sample.mask_entries();
    const SampleInfo one_call{
        "mask", testing::sample_of({"op=dropout,p=0.3,shape=" + std::to_string(entries)}).problem};
    return check(kDispersion).hypotheses(sample) - check(kDispersion).hypotheses(one_call);
  };
  EXPECT_EQ(of_calls(with("op=dropout,p=0.3,shape=4099", 2, 128)), 1u);
  EXPECT_EQ(of_calls(with("op=dropout,p=0.3,shape=4099", 1, 255)), 0u);
  EXPECT_EQ(of_calls(with("op=dropout,p=0.3,shape=64", 4, 512)), 1u);
  EXPECT_EQ(of_calls(with("op=dropout,p=0.3,shape=63", 4, 512)), 0u);
}

TEST(Dispersion, CatchesRowsWithRatesOfTheirOwn) {
  const FillMask rows = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    for (std::uint64_t i = 0; i < mask.size(); ++i) {
      const double rate = 0.3 + (i / 4096 % 2 == 0 ? 0.02 : -0.02);
      if (static_cast<double>(engine() >> 11) * 0x1p-53 < rate) mask.set(i);
    }
  };
  const Judgement j = judge_stream(check(kDispersion), kOdd, rows);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_GT(named(j, "blocks of 1024").effect->value, 0.5 / 1023);
  EXPECT_THAT(j.message, HasSubstr("rates of their own"));
}

TEST(Dispersion, LeavesOutBlocksOfWhichThereAreTooFew) {
  const SampleInfo few{"mask", testing::sample_of(kOdd).problem, 1, 1};
  EXPECT_EQ(check(kDispersion).hypotheses(few), 1u);
  const SampleInfo many{"mask", testing::sample_of(kFair).problem, 64, 2};
  EXPECT_EQ(check(kDispersion).hypotheses(many), 3u);
  const SampleInfo tiny{"mask", testing::sample_of({"op=dropout,p=0.5,shape=8000"}).problem, 1, 1};
  EXPECT_THAT(check(kDispersion).applies(tiny).left_out, HasSubstr("256 blocks"));
}

TEST(BlockHistogram, CatchesAFewWordsThatAreNeverMasked) {
  // 12 words of 11000: too few for the pooled histogram.
  const Stream stream{"op=dropout,p=0.3,shape=704000", 1, 1, 1, "mask"};
  const FillMask stuck = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    fill_ideal(mask, engine, 0.3);
    for (std::size_t w = 0; w < 12; ++w) mask.words()[w * 900] = 0;
  };
  const Judgement j = judge_stream(check(kHistogram), stream, stuck);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_TRUE(named(j, "oddest number of drops per 64 entries").rejects());
  EXPECT_FALSE(named(j, "drops per 64 entries").rejects());
  EXPECT_THAT(j.message, HasSubstr("12 of 11000 blocks of 64 neighbours have 0 drops"));
  EXPECT_THAT(j.message, HasSubstr("never masked"));
}

TEST(Gaps, CatchAGeneratorThatNeverDropsTwiceInADistance) {
  // After a drop the next but one is drawn again, once, if it would drop.
  const FillMask avoiding = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    fill_ideal(mask, engine, 0.3);
    for (std::uint64_t i = 3; i < mask.size(); ++i)
      if (mask[i] && mask[i - 3] && !mask[i - 1] && !mask[i - 2] && engine() % 8 == 0) put(mask, i, false);
  };
  const Judgement j = judge_stream(check(kGaps), kOdd, avoiding);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_TRUE(named(j, "distances between drops").rejects());
  EXPECT_EQ(named(j, "oddest distance").cell, 2u);
  EXPECT_TRUE(named(j, "oddest distance").rejects());
}

TEST(Gaps, CatchAFavouredDistanceOfKeeps) {
  const Stream stream{"op=dropout,p=0.9,shape=65001", 4, 4, 1, "mask"};
  const FillMask periodic = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    fill_ideal(mask, engine, 0.9);
    for (std::uint64_t i = 0; i + 37 < mask.size(); i += 500) {
      for (std::uint64_t t = 0; t <= 37; ++t) put(mask, i + t, true);
      put(mask, i, false);
      put(mask, i + 37, false);
    }
  };
  const Judgement j = judge_stream(check(kGaps), stream, periodic);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("keeps"));
  EXPECT_EQ(named(j, "oddest distance").cell, 36u);
  EXPECT_THAT(j.message, HasSubstr("a distance of 37 between successive keeps"));
}

TEST(Gaps, SayWhenAChunkHoldsTooFewDrops) {
  const FillMask half = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t call) {
    if (call < 2) fill_ideal(mask, engine, 0.3);
  };
  const Judgement j = judge_stream(check(kGaps), kOdd, half);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_TRUE(named(j, "distances between drops").rejects());
}

TEST(LongestRun, CatchesOneStretchThatWasNotMasked) {
  const FillMask hole = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t block, std::uint32_t call) {
    fill_ideal(mask, engine, 0.3);
    if (block == 2 && call == 1)
      for (std::uint64_t i = 0; i < 150; ++i) put(mask, 777 + i, false);
  };
  const Judgement j = judge_stream(check(kRuns), kOdd, hole);
  EXPECT_EQ(j.verdict, Verdict::fail);
  const std::uint64_t from = 65001 + 777;
  const Statistic& s = named(j, "longest run of keeps");
  EXPECT_GE(s.value, 150);
  EXPECT_LE(static_cast<double>(from) - static_cast<double>(s.counts.at(1).second.at(2)), 40);
  EXPECT_THAT(j.message, HasSubstr("of block 2 on"));
  EXPECT_THAT(j.message, HasSubstr("entries in a row are kept"));
  EXPECT_FALSE(named(j, "longest run of drops").rejects());
  // What only this sees: the rates and histograms hardly change.
  EXPECT_EQ(judge_stream(check(kDispersion), kOdd, hole).verdict, Verdict::pass);
  EXPECT_EQ(judge_stream(check(kDrift), kOdd, hole).verdict, Verdict::pass);
}

TEST(LongestRun, CatchesItsMinimumDetectableRunAlways) {
  const auto effect = check(kRuns).detectable(testing::sample_of(kOdd), 1e-9, 1e-6);
  ASSERT_TRUE(effect);
  for (std::uint64_t seed = 1; seed < 6; ++seed) {
    Stream stream = kOdd;
    stream.seed = seed;
    const FillMask run = [&](MaskBits& mask, std::mt19937_64& engine, std::uint64_t block, std::uint32_t) {
      fill_ideal(mask, engine, 0.3);
      if (block != 1) return;
      const std::uint64_t first = engine() % 60000;
      for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(effect->value); ++i)
        put(mask, first + i, false);
    };
    EXPECT_EQ(judge_stream(check(kRuns), stream, run).verdict, Verdict::fail);
  }
}

TEST(LongestRun, CatchesDropsThatKeepTheirDistance) {
  const FillMask stratified = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    for (std::uint64_t i = 0; i + 10 <= mask.size(); i += 10)
      for (const std::uint64_t third : {0u, 3u, 6u}) mask.set(i + third + engine() % 3);
  };
  const Judgement j = judge_stream(check(kRuns), kOdd, stratified);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("more evenly"));
  EXPECT_TRUE(named(j, "longest run of keeps").rejects());
}

TEST(Drift, CatchesARateThatGoesUpAlongTheSampleAtTheRightMean) {
  const FillMask rising = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t block,
                             std::uint32_t call) {
    fill_ideal(mask, engine, 0.3 + (static_cast<double>(block * 4 + call) - 7.5) * 0.003);
  };
  const Judgement j = judge_stream(check(kDrift), kOdd, rising);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_TRUE(named(j, "walk").rejects());
  EXPECT_TRUE(named(j, "position of drops").rejects());
  EXPECT_NEAR(named(j, "walk").effect->value, 0.012, 0.003);
  EXPECT_EQ(judge_stream(check(kRuns), kOdd, rising).verdict, Verdict::pass);
  EXPECT_EQ(judge_stream(check(kGaps), kOdd, rising).verdict, Verdict::pass);
}

TEST(Drift, CatchesAPartThatIsNotWrittenWhateverTheRate) {
  const FillMask unwritten = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t block, std::uint32_t) {
    fill_ideal(mask, engine, 0.33);
    if (block == 3)
      for (std::size_t w = 900; w < mask.words().size(); ++w) mask.words()[w] = 0;
  };
  const Judgement j = judge_stream(check(kDrift), kOdd, unwritten);
  EXPECT_TRUE(named(j, "position of drops").rejects());
  EXPECT_THAT(j.message, HasSubstr("mask entries"));
}

TEST(Drift, IsPlannedOnlyWhereItsLawHolds) {
  const SampleInfo skewed{"mask", testing::sample_of({"op=dropout,p=0.01,shape=1048576"}).problem, 1, 1};
  EXPECT_THAT(check(kDrift).applies(skewed).left_out, HasSubstr("(1 - 2p)^2"));
  const SampleInfo enough{"mask", skewed.problem, 4, 1};
  EXPECT_TRUE(check(kDrift).applies(enough).applies);
}

}  // namespace
}  // namespace dropcheck::suites
