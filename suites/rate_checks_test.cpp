// The checks of suite mask_rate against planted defects, and against a stream without one.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "suites/testing/planted_backend.hpp"

namespace dropcheck::suites {
namespace {

using testing::Drawn;
using testing::Dropped;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::judge;
using testing::PlantedBackend;

constexpr const char* kCase = "op=dropout,p=0.3,shape=256x256";
constexpr const char* kSmall = "op=dropout,p=0.3,shape=131";

/// A mask hook that draws each entry with its own probability.
template <typename Rate>
auto drawn_with(Rate rate) {
  return [rate, engine = std::mt19937_64(9)](const Drawn& drawn, Dropped& dropped) mutable {
    for (std::size_t i = 0; i < dropped.size(); ++i)
      dropped[i] = static_cast<double>(engine() >> 11) * 0x1p-53 < rate(i, drawn) ? 1 : 0;
  };
}

TEST(DropRate, PassesACorrectStreamAndSaysWhatItSaw) {
  PlantedBackend backend;
  const Judgement j = judge("mask_rate.drop_rate", "mask", kCase, backend);
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  EXPECT_EQ(j.comparisons, 4u * 256 * 256);
  EXPECT_THAT(j.message, HasSubstr("interval ["));
}

TEST(DropRate, NamesSwappedProbabilities) {
  PlantedBackend backend;
  backend.rate = [](double p) { return 1 - p; };
  const Judgement j = judge("mask_rate.drop_rate", "mask", kCase, backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("swapped"));
}

TEST(DropRate, NamesAThresholdOfEightBits) {
  PlantedBackend backend;
  backend.rate = [](double p) { return std::floor(p * 256) / 256; };
  const Judgement j =
      judge("mask_rate.drop_rate", "mask", "op=dropout,p=0.1,shape=1024x1024,calls=8", backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("25/256")) << j.message;
}

TEST(DropRate, NamesDropoutThatIsAppliedTwice) {
  PlantedBackend backend;
  backend.rate = [](double p) { return 1 - (1 - p) * (1 - p); };
  const Judgement j = judge("mask_rate.drop_rate", "mask", kCase, backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("applied twice"));
}

TEST(DropRate, NamesDropoutThatDropsNothing) {
  PlantedBackend backend;
  backend.rate = [](double) { return 0.0; };
  const Judgement j = judge("mask_rate.drop_rate", "mask", kCase, backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("almost nothing is dropped"));
}

TEST(DropRate, NamesDropoutThatKeepsNothing) {
  PlantedBackend backend;
  backend.rate = [](double) { return 1.0; };
  const Judgement j =
      judge("mask_rate.drop_rate", "mask", "op=dropout,p=0.999,shape=256x256,calls=4", backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("nothing is kept"));  // not: applied twice, though 1 - q^2 lies near
}

TEST(DropRate, GuessesNoThresholdFromARateThatLiesBesideIt) {
  PlantedBackend backend;
  backend.rate = [](double) { return 0.1328; };  // 6 standard deviations from 1/8 on these entries
  const Judgement j = judge("mask_rate.drop_rate", "mask", "op=dropout,p=0.1,shape=256x256,calls=1", backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, Not(HasSubstr("bits")));
}

TEST(DropRate, CountsChannelsForOperatorsThatDropChannels) {
  PlantedBackend backend;
  const Judgement j =
      judge("mask_rate.drop_rate", "mask", "op=dropout2d,p=0.3,shape=64x64x2x3,calls=2", backend);
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  EXPECT_EQ(j.comparisons, 2u * 64 * 64);
}

/// Feeds a mask with exactly `drops` of `n` entries dropped.
Judgement judge_counts(std::uint64_t n, std::uint64_t drops, double p, double alpha) {
  const Check& check = *testing::suites_registry().check("mask_rate.drop_rate");
  Step step;
  step.problem.p = p;
  step.problem.shape = {static_cast<std::int64_t>(n)};
  MaskBits bits(n);
  for (std::uint64_t i = 0; i < drops; ++i) bits.set(i);
  StepRecord record;
  record.step = &step;
  record.dropped = &bits;
  JudgeContext context;
  context.sample = {"mask", step.problem, 1, 1};
  context.p = p;
  context.alpha = alpha;
  const auto observer = check.observer(context.sample);
  observer->observe(record);
  return check.judge(*observer, context);
}

TEST(DropRate, IntervalExcludesTheNullExactlyWhenTheTestRejects) {
  std::uint64_t rejected = 0, kept = 0;
  for (const double p : {0.02, 0.1, 0.5, 0.9}) {
    for (const double alpha : {0.05, 1e-4}) {
      for (std::uint64_t x = 0; x <= 120; ++x) {
        const Judgement j = judge_counts(120, x, p, alpha);
        const Statistic& s = j.statistics.at(0);
        const bool excluded = p < *s.effect->lower || p > *s.effect->upper;
        ASSERT_EQ(s.rejects(), excluded) << "p=" << p << " x=" << x << " alpha=" << alpha;
        ASSERT_EQ(j.verdict == Verdict::fail, excluded);
        ++(excluded ? rejected : kept);
      }
    }
  }
  EXPECT_GT(rejected, 100u);
  EXPECT_GT(kept, 100u);
}

TEST(Lanes, PassACorrectStream) {
  PlantedBackend backend;
  EXPECT_EQ(judge("mask_rate.lanes", "mask", kCase, backend).verdict, Verdict::pass);
  EXPECT_EQ(judge("mask_rate.worst_lane", "mask", kCase, backend).verdict, Verdict::pass);
}

TEST(Lanes, CatchEvenAndOddPositionsWithOppositeBiasThatTheRateCannotSee) {
  PlantedBackend backend;
  const auto bias = drawn_with([](std::size_t i, const Drawn&) { return i % 2 == 0 ? 0.32 : 0.28; });
  backend.spoil_mask = bias;
  EXPECT_EQ(judge("mask_rate.drop_rate", "mask", kCase, backend).verdict, Verdict::pass);
  const Judgement j = judge("mask_rate.lanes", "mask", kCase, backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("in groups of 2:"));
}

TEST(Lanes, CatchOneDeadLane) {
  PlantedBackend backend;
  backend.spoil_mask = [](const Drawn&, Dropped& dropped) {
    for (std::size_t i = 17; i < dropped.size(); i += 1024) dropped[i] = 0;
  };
  const Judgement all = judge("mask_rate.lanes", "mask", kCase, backend, {8, 1e-9, 1});
  EXPECT_EQ(all.verdict, Verdict::fail) << all.message;
  const Judgement worst = judge("mask_rate.worst_lane", "mask", kCase, backend, {8, 1e-9, 1});
  EXPECT_EQ(worst.verdict, Verdict::fail);
  EXPECT_THAT(worst.message, HasSubstr("positions 17 mod 1024"));
}

TEST(Lanes, AreLeftOutWhereNotEveryLaneExists) {
  const Check& check = *testing::suites_registry().check("mask_rate.lanes");
  const SampleInfo info{"mask", testing::problem_of("op=dropout,p=0.3,shape=1023"), 100, 100};
  EXPECT_FALSE(check.applies(info).applies);
  EXPECT_THAT(check.applies(info).left_out, HasSubstr("1024"));
}

TEST(BlockHistogram, PassesACorrectStream) {
  PlantedBackend backend;
  const Judgement j = judge("mask_rate.block_histogram", "mask", kCase, backend, {4, 1e-9, 1});
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  EXPECT_EQ(j.comparisons, 4u * 4 * 256 * 256 / 64);
}

TEST(BlockHistogram, CatchesMasksWithAnExactCount) {
  PlantedBackend backend;
  backend.spoil_mask = [engine = std::mt19937_64(3)](const Drawn&, Dropped& dropped) mutable {
    for (std::size_t block = 0; block < dropped.size(); block += 64) {
      const auto begin = dropped.begin() + static_cast<std::ptrdiff_t>(block);
      std::fill(begin, begin + 64, std::uint8_t{0});
      std::fill(begin, begin + (block % 128 == 0 ? 19 : 20), std::uint8_t{1});
      std::shuffle(begin, begin + 64, engine);
    }
  };
  EXPECT_EQ(judge("mask_rate.block_histogram", "mask", kCase, backend, {4, 1e-9, 1}).verdict, Verdict::fail);
}

TEST(BlockHistogram, CatchesStuckWords) {
  PlantedBackend backend;
  backend.spoil_mask = [](const Drawn&, Dropped& dropped) {
    for (std::size_t i = 0; i < dropped.size(); ++i) dropped[i] = dropped[i / 64 * 64];
  };
  const Judgement j = judge("mask_rate.block_histogram", "mask", kCase, backend, {4, 1e-9, 1});
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("Binomial(64, 0.3)"));
}

TEST(BlockRates, PassACorrectStream) {
  PlantedBackend backend;
  const Judgement j = judge("mask_rate.block_rates", "mask", kCase, backend, {4, 1e-9, 1});
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
}

TEST(BlockRates, CatchARateThatDiffersFromBlockToBlock) {
  PlantedBackend backend;
  backend.spoil_mask =
      drawn_with([](std::size_t i, const Drawn&) { return i / 1024 % 2 == 0 ? 0.35 : 0.25; });
  EXPECT_EQ(judge("mask_rate.block_rates", "mask", kCase, backend, {4, 1e-9, 1}).verdict, Verdict::fail);
}

TEST(BlockRates, CatchBlocksThatAreTooMuchAlike) {
  PlantedBackend backend;
  backend.spoil_mask = [engine = std::mt19937_64(3)](const Drawn&, Dropped& dropped) mutable {
    for (std::size_t block = 0; block < dropped.size(); block += 1024) {
      const auto begin = dropped.begin() + static_cast<std::ptrdiff_t>(block);
      std::fill(begin, begin + 1024, std::uint8_t{0});
      std::fill(begin, begin + 307, std::uint8_t{1});
      std::shuffle(begin, begin + 1024, engine);
    }
  };
  EXPECT_EQ(judge("mask_rate.block_rates", "mask", kCase, backend, {4, 1e-9, 1}).verdict, Verdict::fail);
}

TEST(Position, PassesACorrectStreamWithFewAndWithManyCalls) {
  PlantedBackend backend;
  for (const std::uint64_t blocks : {std::uint64_t{1}, std::uint64_t{10}}) {  // randomised PIT, then Pearson
    const Judgement j = judge("mask_rate.position", "position", kSmall, backend, {blocks, 1e-9, 1});
    EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
    EXPECT_EQ(j.comparisons, blocks * 512 * 131);
  }
}

TEST(Position, UsesAnotherEngineWherePearsonsRuleFails) {
  PlantedBackend backend;
  const auto few = judge("mask_rate.position", "position", kSmall, backend, {1, 1e-9, 1});
  const auto many = judge("mask_rate.position", "position", kSmall, backend, {10, 1e-9, 1});
  EXPECT_NE(few.statistics.at(1).engine, many.statistics.at(1).engine);
}

TEST(Position, NamesADeadElement) {
  PlantedBackend backend;
  backend.spoil_mask = [](const Drawn&, Dropped& dropped) { dropped[5] = 0; };
  const Judgement j = judge("mask_rate.position", "position", kSmall, backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("element 5 of 131 is dropped in 0 of 512 calls"));
}

TEST(Position, CatchesAnUnhandledTail) {
  PlantedBackend backend;
  backend.spoil_mask = [](const Drawn&, Dropped& dropped) {
    for (std::size_t i = dropped.size() / 4 * 4; i < dropped.size(); ++i) dropped[i] = 0;
  };
  const Judgement j = judge("mask_rate.position", "position", kSmall, backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  for (const Statistic& statistic : j.statistics) EXPECT_TRUE(statistic.rejects()) << statistic.name;
  EXPECT_TRUE(j.statistics.at(0).counts.at(0).second.at(0) >= 128) << "the worst position lies in the tail";
}

TEST(Position, CatchesAFrozenMask) {
  PlantedBackend backend;
  Dropped first;
  backend.spoil_mask = [&](const Drawn&, Dropped& dropped) {
    if (first.empty()) first = dropped;
    dropped = first;
  };
  EXPECT_EQ(judge("mask_rate.position", "position", kSmall, backend).verdict, Verdict::fail);
}

TEST(Extremes, CatchADropAtZeroAndAKeepAtOne) {
  const char* exact = "op=dropout,p=0.15,shape=3x5x7x11";
  PlantedBackend clean;
  EXPECT_EQ(judge("mask_rate.extremes", "edge_p", exact, clean).verdict, Verdict::pass);
  for (const double p : {0.0, 1.0}) {
    PlantedBackend backend;
    backend.spoil_mask = [p](const Drawn& drawn, Dropped& dropped) {
      if (drawn.call.p == p) dropped[3] = static_cast<std::uint8_t>(1 - dropped[3]);
    };
    const Judgement j = judge("mask_rate.extremes", "edge_p", exact, backend);
    EXPECT_EQ(j.verdict, Verdict::fail);
    EXPECT_THAT(j.message, HasSubstr(p == 0 ? "p = 0 drops 1 of" : "p = 1 drops 1154 of 1155"));
  }
}

}  // namespace
}  // namespace dropcheck::suites
