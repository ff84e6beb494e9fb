// seed_determinism.repeats: stretches of masks that come again.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "harness/core/descriptor.hpp"
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
    add_repeats(made);
    return made;
  }();
  return *registry.check("seed_determinism.repeats");
}

void put(MaskBits& mask, std::uint64_t i, bool value) {
  const std::uint64_t bit = std::uint64_t{1} << (i % 64);
  std::uint64_t& word = mask.words()[i / 64];
  word = value ? word | bit : word & ~bit;
}

constexpr std::uint64_t kCall = 60007;
const Stream kCalls{"op=dropout,p=0.3,shape=60007", 3, 4, 1, "mask"};

/// Entries [from, from + length) of the mask of one call are written into another of the same block, or of
/// the next.
FillMask copied(std::uint32_t from_call, std::uint64_t from, std::uint32_t to_call, std::uint64_t to,
                std::uint64_t length, bool next_block = false) {
  auto kept = std::make_shared<MaskBits>();
  return [=](MaskBits& mask, std::mt19937_64& engine, std::uint64_t block, std::uint32_t call) {
    fill_ideal(mask, engine, 0.3);
    if (block == 0 && call == from_call) *kept = mask;
    if (block == (next_block ? 1u : 0u) && call == to_call)
      for (std::uint64_t i = 0; i < length; ++i) put(mask, to + i, (*kept)[from + i]);
  };
}

TEST(Repeats, PassIdealMasksAndStateTheShortestRepeatSeen) {
  for (const char* p : {"0.01", "0.1", "0.5", "0.9"}) {
    Stream stream = kCalls;
    stream.descriptor = fmt::format("op=dropout,p={},shape=60007", p);
    const Judgement j = judge_stream(check(), stream, ideal(std::stod(p)), 1e-11);
    EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
    EXPECT_EQ(j.comparisons, 12 * kCall);
    const Statistic& s = j.statistics.at(0);
    EXPECT_EQ(s.p_value, 1);
    EXPECT_LT(s.minimum_detectable_effect->value, static_cast<double>(kCall));
    EXPECT_EQ(s.minimum_detectable_effect->value, check().detectable(sample_of(stream), 1e-11, 1e-6)->value);
  }
}

TEST(Repeats, CatchTheMaskOfAnEarlierCall) {
  const Judgement j = judge_stream(check(), kCalls, copied(1, 0, 3, 0, kCall));
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("the mask of call 3 repeats call 1: the stream may not advance"));
  EXPECT_LE(j.statistics.at(0).p_value, 1e-12);
}

TEST(Repeats, CatchAStretchAtAnUnknownShift) {
  const double length = check().detectable(sample_of(kCalls), 1e-9, 1e-6)->value;
  const Judgement j =
      judge_stream(check(), kCalls, copied(0, 777, 2, 20001, static_cast<std::uint64_t>(length)));
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("the stream may advance by too little"));
  const auto& counts = j.statistics.at(0).counts;
  ASSERT_EQ(counts.at(5).first, "first_block_and_entry");
  EXPECT_EQ(counts.at(6).second.at(1) - counts.at(5).second.at(1), 2 * Int128{kCall} + 20001 - 777);
}

TEST(Repeats, CatchAStretchInsideOneCallAndAcrossBlocks) {
  const Judgement inside = judge_stream(check(), kCalls, copied(2, 0, 2, 30000, 30000));
  EXPECT_EQ(inside.verdict, Verdict::fail);
  EXPECT_THAT(inside.message, HasSubstr("inside one call, 30000 entries apart"));
  const Judgement seeds = judge_stream(check(), kCalls, copied(1, 0, 1, 0, kCall, true));
  EXPECT_EQ(seeds.verdict, Verdict::fail);
  EXPECT_THAT(seeds.message, HasSubstr("the mask of block 1 repeats block 0, which has another seed"));
  const Judgement overlap = judge_stream(check(), kCalls, copied(1, 0, 2, 5, kCall - 5, true));
  EXPECT_THAT(overlap.message, HasSubstr("streams of different seeds overlap"));
}

TEST(Repeats, CatchMasksInWhichTheAnchorNeverOccurs) {
  const Judgement j =
      judge_stream(check(), kCalls, [](MaskBits& mask, std::mt19937_64&, std::uint64_t, std::uint32_t) {
        for (std::uint64_t i = 0; i < mask.size(); i += 3) put(mask, i, true);
      });
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("never drawn"));
}

TEST(Repeats, MergeFindsWhatLiesOnBothSides) {
  const FillMask fill = copied(1, 0, 1, 0, kCall, true);
  const auto whole = testing::observe(check(), kCalls, fill, 0, 3);
  const auto first = testing::observe(check(), kCalls, fill, 0, 1);
  auto rest = testing::observe(check(), kCalls, fill, 1, 3);
  JudgeContext context;
  context.sample = sample_of(kCalls);
  context.p = 0.3;
  context.alpha = 1e-11;
  EXPECT_EQ(check().judge(*first, context).verdict, Verdict::pass);
  EXPECT_EQ(check().judge(*rest, context).verdict, Verdict::pass);
  rest->merge(*first);
  const Judgement a = check().judge(*whole, context), b = check().judge(*rest, context);
  EXPECT_EQ(a.verdict, Verdict::fail);
  EXPECT_EQ(a.message, b.message);
  EXPECT_EQ(a.statistics.at(0).counts, b.statistics.at(0).counts);
}

TEST(Repeats, SearchMemoryOrderApartFromLogicalOrder) {
  Stream stream = kCalls;
  stream.descriptor = "op=dropout,p=0.3,shape=61x984,layout=transposed";
  const SampleInfo sample = sample_of(stream);
  MaskBits mask(60024);
  std::mt19937_64 engine(1);
  fill_ideal(mask, engine, 0.3);
  JudgeContext context;
  context.sample = sample;
  context.p = 0.3;
  context.alpha = 1e-11;
  const auto seen = [&](Order first, Order second) {
    const auto observer = check().observer(sample);
    observer->observe_chunk({mask.words(), mask.size(), first, 0, 0, 0.3});
    observer->observe_chunk({mask.words(), mask.size(), second, 1, 0, 0.3});
    return check().judge(*observer, context);
  };
  EXPECT_EQ(seen(Order::logical, Order::memory).verdict, Verdict::pass);
  EXPECT_EQ(seen(Order::memory, Order::memory).verdict, Verdict::fail);
  EXPECT_THAT(seen(Order::memory, Order::memory).message, HasSubstr("in memory order"));
}

TEST(Repeats, AreNoVerdictWhereSeedsMustRepeat) {
  Capabilities few;
  few.seed_bits = 1;
  JudgeContext context;
  context.sample = sample_of(kCalls);
  context.p = 0.3;
  context.alpha = 1e-11;
  context.capabilities = &few;
  const auto observer = testing::observe(check(), kCalls, ideal(0.3), 0, 3);
  EXPECT_EQ(check().judge(*observer, context).verdict, Verdict::inconclusive);
  few.seed_bits = 64;
  EXPECT_EQ(check().judge(*observer, context).verdict, Verdict::pass);
}

TEST(Repeats, ARateThatMakesRepeatsLikelyIsNoProof) {
  const FillMask fill = copied(1, 0, 3, 0, kCall);
  const auto observer = testing::observe(check(), kCalls, fill, 0, 3);
  JudgeContext context;
  context.sample = sample_of(kCalls);
  context.alpha = 1e-6;
  for (const double p : {0.0, 0.05, 0.3, 0.9, 1.0}) {
    context.p = p;
    const Statistic s = check().judge(*observer, context).statistics.at(0);
    EXPECT_EQ(s.null_parameters.back().first, "expected_repeats");
    EXPECT_DOUBLE_EQ(s.p_value, std::min(1.0, s.null_parameters.back().second)) << p;
    EXPECT_EQ(s.rejects(), p != 0.05 && p != 0.9) << p << " " << s.p_value;
  }
}

TEST(Repeats, ApplyWhereAWindowFitsAChunk) {
  const auto applies = [](const char* descriptor, std::uint64_t blocks) {
    return check().applies(sample_of({descriptor, blocks, 1, 1, "mask"})).applies;
  };
  EXPECT_TRUE(applies("op=dropout,p=0.001,shape=1048576", 8));
  EXPECT_FALSE(applies("op=dropout,p=0.00001,shape=1048576", 1000));
  EXPECT_FALSE(applies("op=dropout,p=0.1,shape=300", 1000));
  EXPECT_TRUE(applies("op=dropout2d,p=0.1,shape=256x256x2x4", 1));
  EXPECT_FALSE(applies("op=dropout,p=0.3,shape=300", 1));
}

}  // namespace
}  // namespace dropcheck::suites
