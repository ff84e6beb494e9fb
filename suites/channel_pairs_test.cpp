// channel_correlation.channel_pairs: masks written bit by bit, with one defect each.
#include <gmock/gmock.h>

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
using testing::sample_of;
using testing::Stream;

const Check& check() {
  static const Registry registry = [] {
    Registry made;
    add_channel_pairs(made);
    add_pairs(made);
    return made;
  }();
  return *registry.check("channel_correlation.channel_pairs");
}

void put(MaskBits& mask, std::uint64_t i, bool value) {
  const std::uint64_t bit = std::uint64_t{1} << (i % 64);
  std::uint64_t& word = mask.words()[i / 64];
  word = value ? word | bit : word & ~bit;
}

const Stream kElements{"op=dropout,p=0.3,shape=16x32x7x5", 2, 4, 1, "mask"};
const Stream kChannels{"op=dropout2d,p=0.3,shape=64x20x2x2", 4, 4, 1, "mask"};

TEST(ChannelPairs, PassIdealMasksOfElementsAndOfChannels) {
  for (const Stream& stream : {kElements, kChannels}) {
    const Judgement j = judge_stream(check(), stream, ideal(0.3));
    EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
    EXPECT_EQ(j.statistics.size(), check().hypotheses(sample_of(stream)));
    EXPECT_EQ(j.statistics[0].id, "S8");
    EXPECT_TRUE(j.statistics[0].cell.has_value());
    EXPECT_EQ(static_cast<std::uint64_t>(j.statistics[0].counts[0].second[0]),
              sample_of(stream).mask_entries() / (stream.calls == 4 && stream.blocks == 2 ? 32 : 20));
    for (const Statistic& s : j.statistics) EXPECT_TRUE(s.minimum_detectable_effect.has_value());
  }
  EXPECT_EQ(check().hypotheses(sample_of(kElements)), 2u);
}

TEST(ChannelPairs, ApplyFromTwoChannelsOn) {
  EXPECT_FALSE(check().applies(sample_of({"op=dropout,p=0.3,shape=100000", 1, 1, 1, "mask"})).applies);
  EXPECT_FALSE(check().applies(sample_of({"op=dropout,p=0.3,shape=100000x1", 1, 1, 1, "mask"})).applies);
  EXPECT_TRUE(check().applies(sample_of({"op=dropout,p=0.3,shape=50000x2", 1, 1, 1, "mask"})).applies);
  EXPECT_FALSE(check().applies(sample_of({"op=dropout,p=0.3,shape=5x2", 1, 1, 1, "mask"})).applies);
  // One pair, or too short streams, have no sum of squares.
  EXPECT_EQ(check().hypotheses(sample_of({"op=dropout,p=0.3,shape=50000x2", 1, 1, 1, "mask"})), 1u);
  EXPECT_EQ(check().hypotheses(sample_of({"op=dropout2d,p=0.1,shape=256x256x2x4", 1, 1, 1, "mask"})), 1u);
}

TEST(ChannelPairs, EffectFallsWithTheSample) {
  const double one = check().detectable(sample_of(kElements), 1e-9, 1e-6)->value;
  Stream larger = kElements;
  larger.blocks *= 64;
  const double many = check().detectable(sample_of(larger), 1e-9, 1e-6)->value;
  EXPECT_LT(many, one);
  EXPECT_NEAR(many, one / 8, 0.05 * one);
}

TEST(ChannelPairs, CatchTwoDistantChannelsThatShareTheirNumbers) {
  const FillMask fill = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    fill_ideal(mask, engine, 0.3);
    for (std::uint64_t n = 0; n < 16; ++n)
      for (std::uint64_t t = 0; t < 35; ++t) put(mask, (n * 32 + 29) * 35 + t, mask[(n * 32 + 4) * 35 + t]);
  };
  const Judgement j = judge_stream(check(), kElements, fill);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("channels 4 and 29 are dropped more often together"));
  EXPECT_THAT(j.message, HasSubstr("share their random numbers"));
  EXPECT_EQ(j.statistics[0].cell, 4u * 32 + 29);
  EXPECT_NEAR(j.statistics[0].effect->value, 1, 1e-12);
}

TEST(ChannelPairs, CatchAWeakFactorThatAllChannelsShare) {
  const Stream stream{"op=dropout,p=0.3,shape=16x64x16x16", 1, 4, 1, "mask"};
  const FillMask fill = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    for (std::uint64_t n = 0; n < 16; ++n)
      for (std::uint64_t t = 0; t < 256; ++t) {
        const double p = engine() % 2 == 0 ? 0.335 : 0.265;
        for (std::uint64_t c = 0; c < 64; ++c)
          if (static_cast<double>(engine() >> 11) * 0x1p-53 < p) mask.set((n * 64 + c) * 256 + t);
      }
  };
  const Judgement j = judge_stream(check(), stream, fill);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("something common to all channels"));
  EXPECT_FALSE(j.statistics.at(0).rejects()) << "no pair alone shows it";
  EXPECT_TRUE(j.statistics.at(1).rejects());
}

TEST(ChannelPairs, AFocusedPairIsTestedAlone) {
  Focus focus{"worst pair of channels", 3 * 32 + 8};
  const Judgement j = judge_stream(check(), kElements, ideal(0.3), 1e-3, focus);
  const Statistic& s = j.statistics.at(0);
  EXPECT_EQ(s.cell, focus.cell);
  EXPECT_EQ(static_cast<std::uint64_t>(s.counts[4].second[0]), 1u);
  focus.cell.reset();
  EXPECT_EQ(static_cast<std::uint64_t>(
                judge_stream(check(), kElements, ideal(0.3), 1e-3, focus).statistics[0].counts[4].second[0]),
            496u);
}

TEST(ChannelPairs, RejectNoMoreOftenThanTheirLevel) {
  for (const Stream& stream : {Stream{"op=dropout,p=0.4,shape=16x12x9x7", 1, 2, 5, "mask"},
                               Stream{"op=dropout2d,p=0.3,shape=512x10x1x1", 1, 2, 6, "mask"}}) {
    const auto alarms = testing::false_alarms(check(), stream, 0.01, 200);
    EXPECT_EQ(alarms.hypotheses, check().hypotheses(sample_of(stream)));
    EXPECT_GT(stats::binomial_upper_tail(200, alarms.rejections, 0.01), 1e-6) << alarms.hypothesis;
  }
}

TEST(ChannelPairs, MergeInAnyOrder) {
  const auto whole = testing::observe(check(), kChannels, ideal(0.3), 0, 4);
  auto back = testing::observe(check(), kChannels, ideal(0.3), 2, 4);
  back->merge(*testing::observe(check(), kChannels, ideal(0.3), 0, 2));
  JudgeContext context;
  context.sample = sample_of(kChannels);
  context.p = 0.3;
  context.alpha = 1e-9;
  const Judgement a = check().judge(*whole, context), b = check().judge(*back, context);
  ASSERT_EQ(a.statistics.size(), b.statistics.size());
  for (std::size_t k = 0; k < a.statistics.size(); ++k) {
    EXPECT_EQ(a.statistics[k].p_value, b.statistics[k].p_value);
    EXPECT_EQ(a.statistics[k].counts, b.statistics[k].counts);
  }
}

}  // namespace
}  // namespace dropcheck::suites
