// seed_determinism.chunk_overlaps: masks of one stream that resemble each other.
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
    add_chunk_overlaps(made);
    return made;
  }();
  return *registry.check("seed_determinism.chunk_overlaps");
}

void put(MaskBits& mask, std::uint64_t i, bool value) {
  const std::uint64_t bit = std::uint64_t{1} << (i % 64);
  std::uint64_t& word = mask.words()[i / 64];
  word = value ? word | bit : word & ~bit;
}

constexpr std::uint64_t kCall = 30011;
const Stream kCalls{"op=dropout,p=0.3,shape=30011", 2, 4, 1, "mask"};

/// The last call's mask is kept, so that the next one can be made from it.
FillMask after(
    std::function<void(MaskBits&, const MaskBits& before, std::mt19937_64&, std::uint32_t call)> spoil) {
  auto before = std::make_shared<std::vector<MaskBits>>();
  return [spoil, before](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t call) {
    if (call == 0) before->clear();
    fill_ideal(mask, engine, 0.3);
    if (call > 0) spoil(mask, before->back(), engine, call);
    before->push_back(mask);
  };
}

TEST(ChunkOverlaps, PassIdealMasks) {
  const Judgement j = judge_stream(check(), kCalls, ideal(0.3));
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  EXPECT_EQ(j.statistics.size(), 15u);
  EXPECT_EQ(check().hypotheses(sample_of(kCalls)), 15u);
  for (const Statistic& s : j.statistics) {
    const auto n = static_cast<std::uint64_t>(s.counts[0].second[0]);
    const bool shifted = s.name.find("shifted") != std::string::npos;
    // Of 4 calls: (0,1) and (2,3); (0,2) and (1,3); (0,3). Two blocks.
    if (!shifted) {
      EXPECT_EQ(n, (s.name == "chunks 3 apart" ? 2 : 4) * kCall) << s.name;
    }
    if (s.name == "chunks 1 apart, shifted by -4096") {
      EXPECT_EQ(n, 4 * (kCall - 4096));
    }
  }
}

TEST(ChunkOverlaps, CountWhatIsPlannedForAllNumbersOfCallsAndSizes) {
  for (const char* descriptor : {"op=dropout,p=0.3,shape=5000", "op=dropout,p=0.3,shape=1048576",
                                 "op=dropout,p=0.3,shape=1500000", "op=dropout,p=0.3,shape=2097152"}) {
    const bool large = std::string(descriptor).size() > 28;
    for (std::uint32_t calls = 1; calls <= (large ? 3u : 13u); ++calls) {
      const Stream stream{descriptor, 1, calls, 1, "mask"};
      const unsigned planned = check().hypotheses(sample_of(stream));
      EXPECT_EQ(check().applies(sample_of(stream)).applies, planned > 0);
      if (planned == 0) continue;
      const FillMask fill = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
        for (std::uint64_t w = 0; w + 1 < mask.words().size(); ++w) mask.words()[w] = engine() & engine();
      };
      const double effect = check().detectable(sample_of(stream), 1e-9, 1e-6)->value;
      double weakest = 0;
      const Judgement j = judge_stream(check(), stream, fill, 1e-9);
      EXPECT_EQ(j.statistics.size(), planned);
      for (const Statistic& s : j.statistics) weakest = std::max(weakest, s.minimum_detectable_effect->value);
      EXPECT_DOUBLE_EQ(weakest, effect) << descriptor << " " << calls;
    }
  }
}

TEST(ChunkOverlaps, DoNotApplyToOneChunkABlock) {
  EXPECT_FALSE(check().applies(sample_of({"op=dropout,p=0.3,shape=1048576", 8, 1, 1, "mask"})).applies);
  EXPECT_TRUE(check().applies(sample_of({"op=dropout,p=0.3,shape=2097152", 8, 1, 1, "mask"})).applies);
  EXPECT_FALSE(check().applies(sample_of({"op=dropout,p=0.3,shape=10", 8, 4, 1, "mask"})).applies);
}

TEST(ChunkOverlaps, CatchAStreamThatDoesNotAdvance) {
  const Judgement j = judge_stream(
      check(), kCalls, after([](MaskBits& mask, const MaskBits& before, auto&, auto) { mask = before; }));
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("apart of one stream are dropped more often together"));
  EXPECT_THAT(j.message, HasSubstr("the stream may not advance"));
  for (const Statistic& s : j.statistics)
    EXPECT_EQ(s.rejects(), s.name.find("shifted") == std::string::npos) << s.name;
}

TEST(ChunkOverlaps, CatchAStreamThatAdvancesByTooLittle) {
  for (const std::uint64_t shift : {1u, 4u, 8u, 256u, 1024u, 4096u}) {
    const Judgement j =
        judge_stream(check(), kCalls, after([shift](MaskBits& mask, const MaskBits& before, auto&, auto) {
                       for (std::uint64_t t = 0; t + shift < kCall; ++t) put(mask, t, before[t + shift]);
                     }));
    EXPECT_EQ(j.verdict, Verdict::fail) << shift;
    EXPECT_THAT(j.message, HasSubstr("shifted by -" + std::to_string(shift)));
    EXPECT_THAT(j.message, HasSubstr("advance by too little"));
  }
}

TEST(ChunkOverlaps, CatchAWeakResemblanceAndAnOpposite) {
  const auto some =
      after([](MaskBits& mask, const MaskBits& before, std::mt19937_64& engine, std::uint32_t call) {
        if (call % 2 == 0) return;
        for (std::uint64_t t = 0; t < kCall; ++t)
          if (engine() % 10 == 0) put(mask, t, before[t]);
      });
  const Judgement weak = judge_stream(check(), kCalls, some);
  EXPECT_EQ(weak.verdict, Verdict::fail);
  EXPECT_THAT(weak.message, HasSubstr("chunks 1 apart of one stream are dropped more often together"));
  EXPECT_NEAR(weak.statistics[0].effect->value, 0.1, 0.02);
  const auto opposite = after([](MaskBits& mask, const MaskBits& before, std::mt19937_64&, std::uint32_t) {
    for (std::uint64_t t = 0; t < kCall; ++t)
      if (before[t]) put(mask, t, false);
  });
  EXPECT_THAT(judge_stream(check(), kCalls, opposite).message, HasSubstr("dropped less often together"));
}

TEST(ChunkOverlaps, CatchTheHalfOfALargeCallThatIsDrawnAgain) {
  const Stream stream{"op=dropout,p=0.5,shape=2097152", 1, 1, 1, "mask"};
  const FillMask fill = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    fill_ideal(mask, engine, 0.5);
    for (std::size_t w = 0; w < kChunkBits / 64; ++w) mask.words()[w + kChunkBits / 64] = mask.words()[w];
  };
  EXPECT_EQ(judge_stream(check(), stream, ideal(0.5)).verdict, Verdict::pass);
  EXPECT_EQ(judge_stream(check(), stream, fill).verdict, Verdict::fail);
}

TEST(ChunkOverlaps, NeedNoRate) {
  // Drawn with 0.36 where 0.3 is declared: no matter for this check.
  EXPECT_EQ(judge_stream(check(), kCalls, ideal(0.36)).verdict, Verdict::pass);
}

TEST(ChunkOverlaps, RejectNoMoreOftenThanTheirLevel) {
  const Stream stream{"op=dropout,p=0.4,shape=5000", 1, 6, 9, "mask"};
  const auto alarms = testing::false_alarms(check(), stream, 0.01, 250);
  EXPECT_EQ(alarms.hypotheses, check().hypotheses(sample_of(stream)));
  EXPECT_GT(stats::binomial_upper_tail(250, alarms.rejections, 0.01), 1e-6) << alarms.hypothesis;
}

TEST(ChunkOverlaps, MergeInAnyOrder) {
  Stream stream = kCalls;
  stream.blocks = 4;
  const auto whole = testing::observe(check(), stream, ideal(0.3), 0, 4);
  auto back = testing::observe(check(), stream, ideal(0.3), 3, 4);
  back->merge(*testing::observe(check(), stream, ideal(0.3), 0, 3));
  JudgeContext context;
  context.sample = sample_of(stream);
  context.p = 0.3;
  context.alpha = 1e-9;
  const Judgement a = check().judge(*whole, context), b = check().judge(*back, context);
  ASSERT_EQ(a.statistics.size(), b.statistics.size());
  for (std::size_t k = 0; k < a.statistics.size(); ++k)
    EXPECT_EQ(a.statistics[k].counts, b.statistics[k].counts);
}

}  // namespace
}  // namespace dropcheck::suites
