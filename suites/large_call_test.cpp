// mask_rate.large_call and channel_correlation.large_call: parts of one call that differ or repeat each
// other. The distances are powers of two of the call's size, so that small calls stand for those of 2^31
// entries and more.
#include "suites/large_call.hpp"

#include <gmock/gmock.h>

#include "harness/stats/binomial.hpp"
#include "suites/checks.hpp"
#include "suites/protocols.hpp"
#include "suites/testing/planted_backend.hpp"
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

constexpr std::uint64_t kHalf = 1 << 16, kRest = 8195;
const Stream kCall{"op=dropout,p=0.3,shape=73731", 1, 1, 1, "large_call"};  // 2^16 + 2^13 + 3
constexpr double kP = 0.3;

const Check& check(const std::string& id) {
  static const Registry registry = [] {
    Registry made;
    add_large_call(made);
    return made;
  }();
  return *registry.check(id);
}
const Check& rates() { return check("mask_rate.large_call"); }
const Check& pairs() { return check("channel_correlation.large_call"); }

void put(MaskBits& mask, std::uint64_t i, bool value) {
  const std::uint64_t bit = std::uint64_t{1} << (i % 64);
  std::uint64_t& word = mask.words()[i / 64];
  word = value ? word | bit : word & ~bit;
}

/// An ideal mask whose entry i is what `source(i)` was.
FillMask reindexed(std::function<std::uint64_t(std::uint64_t)> source) {
  return [source](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    MaskBits drawn(mask.size());
    fill_ideal(drawn, engine, kP);
    for (std::uint64_t i = 0; i < mask.size(); ++i) put(mask, i, drawn[source(i)]);
  };
}

/// An ideal mask of which the entries of [begin, end) are all dropped, or all kept.
FillMask constant(std::uint64_t begin, std::uint64_t end, bool dropped) {
  return [=](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    fill_ideal(mask, engine, kP);
    for (std::uint64_t i = begin; i < end; ++i) put(mask, i, dropped);
  };
}

TEST(LargeCall, PartsCoverTheCallOnce) {
  for (const std::uint64_t entries : {513u, 1023u, 1024u, 1025u, 73731u, 2097153u}) {
    const LargeCall call(entries);
    EXPECT_LT(call.half(), entries);
    EXPECT_GE(2 * call.half(), entries);
    std::uint64_t next = 0;
    for (std::uint64_t part = 0; part < kLargeCallParts; ++part) {
      EXPECT_EQ(call.begin(part), next);
      next += call.size(part);
    }
    EXPECT_EQ(next, entries);
    EXPECT_EQ(call.begin(kLargeCallParts - 1), call.half());
  }
  EXPECT_EQ(LargeCall((std::uint64_t{1} << 31) + 1).half(), std::uint64_t{1} << 31);
  EXPECT_EQ(LargeCall(std::uint64_t{1} << 32).half(), std::uint64_t{1} << 31);
}

TEST(LargeCall, CountsWhatLoopsOverEntriesCount) {
  std::mt19937_64 engine(7);
  for (const std::uint64_t entries : {513u, 600u, 1024u, 1500u, 4099u, 73731u}) {
    const LargeCall call(entries);
    MaskBits mask(entries);
    fill_ideal(mask, engine, kP);
    for (std::uint64_t part = 0; part < kLargeCallParts; ++part) {
      std::uint64_t drops = 0;
      for (std::uint64_t i = 0; i < call.size(part); ++i) drops += mask[call.begin(part) + i] ? 1u : 0u;
      EXPECT_EQ(call.drops(mask, part), drops) << entries << " part " << part;
    }
    for (std::size_t k = 0; k < kLargeCallDistances; ++k) {
      const std::uint64_t d = call.distance(k);
      stats::OverlapCounts expected;
      for (std::uint64_t i = 0; i + d < entries; ++i) {
        if (i / d % 2 != 0) continue;
        ++expected.n;
        expected.first += mask[i] ? 1u : 0u;
        expected.second += mask[i + d] ? 1u : 0u;
        expected.both += mask[i] && mask[i + d] ? 1u : 0u;
      }
      stats::OverlapCounts counts;
      call.add_pairs(mask, k, counts);
      EXPECT_EQ(counts, expected) << entries << " distance " << d;
      EXPECT_EQ(call.pairs(k), expected.n) << entries << " distance " << d;
    }
  }
}

TEST(LargeCall, PassIdealMasks) {
  const Judgement r = judge_stream(rates(), kCall, ideal(kP)), j = judge_stream(pairs(), kCall, ideal(kP));
  EXPECT_EQ(r.verdict, Verdict::pass) << r.message;
  EXPECT_EQ(r.statistics.size(), 1u);
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  EXPECT_EQ(j.statistics.size(), 4u);
  EXPECT_EQ(pairs().hypotheses(sample_of(kCall)), 4u);
  EXPECT_EQ(j.comparisons, kHalf + kRest);
}

TEST(LargeCall, CatchWhatLiesPastTheHalfAndIsNotDrawn) {
  for (const bool dropped : {false, true}) {
    const Judgement j = judge_stream(rates(), kCall, constant(kHalf, kHalf + kRest, dropped));
    EXPECT_EQ(j.verdict, Verdict::fail);
    EXPECT_THAT(j.message, HasSubstr("the 8195 entries of a call from entry 2^16 on are dropped at"));
    EXPECT_THAT(j.message, HasSubstr(dropped ? "every one of them" : "none of them"));
    EXPECT_THAT(j.message, HasSubstr("too few bits"));
  }
}

TEST(LargeCall, CatchAPartOfTheFirstHalf) {
  const Judgement j = judge_stream(rates(), kCall, constant(3 * kHalf / 8, kHalf / 2, true));
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("from entry 24576 on"));
  EXPECT_EQ(j.statistics[0].cell, 3u);
}

TEST(LargeCall, ALaterStageLooksAtTheOnePartThatWasSuspicious) {
  const FillMask fill = constant(kHalf, kHalf + kRest, false);
  EXPECT_TRUE(judge_stream(rates(), kCall, fill, 1e-9, Focus{"worst part of a large call", 8})
                  .statistics[0]
                  .rejects());
  EXPECT_FALSE(judge_stream(rates(), kCall, fill, 1e-9, Focus{"worst part of a large call", 2})
                   .statistics[0]
                   .rejects());
}

TEST(LargeCall, CatchAMaskThatBeginsAgainAtEachDistance) {
  for (std::size_t k = 0; k < kLargeCallDistances; ++k) {
    const std::uint64_t period = kHalf >> k;
    const FillMask fill = reindexed([period](std::uint64_t i) { return i % period; });
    const Judgement j = judge_stream(pairs(), kCall, fill);
    EXPECT_EQ(j.verdict, Verdict::fail) << period;
    EXPECT_THAT(j.message, HasSubstr("the mask begins again there"));
    for (std::size_t l = 0; l < kLargeCallDistances; ++l)
      EXPECT_EQ(j.statistics[l].rejects(), l <= k) << "a period shows at its multiples: " << l << " " << k;
    EXPECT_EQ(judge_stream(rates(), kCall, fill).verdict, Verdict::pass) << "the rate is right";
  }
}

TEST(LargeCall, CatchAWeakResemblanceAndAnOpposite) {
  const auto after = [](unsigned one_in, bool opposite) -> FillMask {
    return [=](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
      fill_ideal(mask, engine, kP);
      for (std::uint64_t i = 0; i < kHalf / 2; ++i)
        if (engine() % one_in == 0 && (!opposite || mask[i])) put(mask, i + kHalf / 2, mask[i] && !opposite);
    };
  };
  const Judgement weak = judge_stream(pairs(), kCall, after(10, false));
  EXPECT_THAT(weak.message, HasSubstr("entries 2^15 apart in one call are dropped more often together"));
  EXPECT_NEAR(weak.statistics[1].effect->value, 0.1, 0.02);
  EXPECT_THAT(judge_stream(pairs(), kCall, after(1, true)).message, HasSubstr("less often together"));
}

TEST(LargeCall, LeaveOutDistancesOfWhichTooFewPairsExist) {
  const Stream call{"op=dropout,p=0.3,shape=65539", 1, 1, 1, "large_call"};
  EXPECT_EQ(pairs().hypotheses(sample_of(call)), 3u) << "three pairs are 2^16 apart";
  EXPECT_EQ(judge_stream(pairs(), call, ideal(kP)).statistics.size(), 3u);
  EXPECT_FALSE(rates().applies(sample_of({"op=dropout,p=0.3,shape=512", 1, 1, 1, "large_call"})).applies);
  EXPECT_FALSE(pairs().applies(sample_of({"op=dropout,p=0.3,shape=1024", 1, 1, 1, "large_call"})).applies);
  EXPECT_FALSE(
      pairs().applies(sample_of({"op=dropout,p=1e-6,shape=1073741825", 1, 1, 1, "large_call"})).applies);
}

TEST(LargeCall, RejectNoMoreOftenThanTheirLevel) {
  const Stream stream{"op=dropout,p=0.4,shape=9000", 2, 1, 9, "large_call"};
  for (const Check* tested : {&rates(), &pairs()}) {
    const auto alarms = testing::false_alarms(*tested, stream, 0.01, 250);
    EXPECT_EQ(alarms.hypotheses, tested->hypotheses(sample_of(stream)));
    EXPECT_GT(stats::binomial_upper_tail(250, alarms.rejections, 0.01), 1e-6) << alarms.hypothesis;
  }
}

TEST(LargeCall, MergeInAnyOrder) {
  Stream stream = kCall;
  stream.blocks = 4;
  for (const Check* tested : {&rates(), &pairs()}) {
    const auto whole = testing::observe(*tested, stream, ideal(kP), 0, 4);
    auto back = testing::observe(*tested, stream, ideal(kP), 3, 4);
    back->merge(*testing::observe(*tested, stream, ideal(kP), 0, 3));
    JudgeContext context;
    context.sample = sample_of(stream);
    context.p = kP;
    context.alpha = 1e-9;
    const Judgement a = tested->judge(*whole, context), b = tested->judge(*back, context);
    ASSERT_EQ(a.statistics.size(), b.statistics.size());
    for (std::size_t k = 0; k < a.statistics.size(); ++k)
      EXPECT_EQ(a.statistics[k].counts, b.statistics[k].counts);
  }
}

TEST(LargeCall, IsAskedForItsOutputAsLongAsThatFitsIntoMemory) {
  const Protocol& protocol = *testing::suites_registry().protocol("large_call");
  const auto step_of = [&](const std::string& descriptor) {
    const auto steps = protocol.steps({"large_call", testing::problem_of(descriptor), 1, 1}, 0);
    EXPECT_EQ(steps.size(), 1u);
    return steps.at(0);
  };
  EXPECT_FALSE(step_of("op=dropout,p=0.3,shape=67108864").mask_only);
  EXPECT_TRUE(step_of("op=dropout,p=0.3,shape=67108865").mask_only);
  EXPECT_TRUE(step_of("op=dropout,p=0.3,shape=2148532227").mask_only);
  EXPECT_TRUE(step_of("op=dropout,p=0.3,shape=2148532227").mask_suffices);
}

}  // namespace
}  // namespace dropcheck::suites
