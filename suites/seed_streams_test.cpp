// seed_determinism.streams and seed_determinism.seed_flips: generators that are seeded badly, each in one
// way, asked by the steps of the protocol.
#include "suites/seed_streams.hpp"

#include <gmock/gmock.h>

#include <map>

#include "harness/stats/binomial.hpp"
#include "suites/checks.hpp"
#include "suites/protocols.hpp"
#include "suites/testing/streams.hpp"

namespace dropcheck::suites {
namespace {

using testing::fill_ideal;
using ::testing::HasSubstr;

constexpr const char* kStreams = "seed_determinism.streams";
constexpr const char* kFlips = "seed_determinism.seed_flips";

const Registry& checks() {
  static const Registry registry = [] {
    Registry made;
    register_protocols(made);
    add_seed_streams(made);
    return made;
  }();
  return registry;
}
const Check& check(const char* id) { return *checks().check(id); }

SampleInfo sample_of(const char* descriptor = "op=dropout,p=0.3,shape=5000", std::uint64_t blocks = 2) {
  SampleInfo sample = testing::sample_of({descriptor, blocks, 1, 1, "streams"});
  sample.calls = checks().protocol("streams")->default_calls;
  return sample;
}

/// The mask of call `call` (from 0) after a seed.
using Generator = std::function<MaskBits(std::uint64_t seed, std::uint64_t call, std::uint64_t size)>;

MaskBits good(std::uint64_t seed, std::uint64_t call, std::uint64_t size) {
  std::seed_seq mix{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32),
                    static_cast<std::uint32_t>(call)};
  std::mt19937_64 engine(mix);
  MaskBits mask(size);
  fill_ideal(mask, engine, 0.3);
  return mask;
}

/// Plays the executor for blocks [from, until): seeds of 64 bits or fewer, one stream after each.
std::unique_ptr<Observer> observe(const Check& c, const SampleInfo& sample, const Generator& generate,
                                  std::uint64_t master, std::uint64_t from, std::uint64_t until,
                                  unsigned seed_bits = 64) {
  const std::uint64_t keep = seed_bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << seed_bits) - 1;
  std::unique_ptr<Observer> merged;
  for (std::uint64_t block = from; block < until; ++block) {
    auto observer = c.observer(sample);
    std::mt19937_64 slots(master * 1000003 + block);
    std::array<std::uint64_t, 17> seeds;
    for (std::uint64_t& seed : seeds) seed = slots();
    std::uint64_t seed = 0, call = 0;
    const std::vector<Step> steps = checks().protocol("streams")->steps(sample, block);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      StepRecord record;
      record.block = block;
      record.index = i;
      record.step = &steps[i];
      if (steps[i].seed_slot) {
        seed = ((seeds.at(*steps[i].seed_slot) ^ steps[i].seed_flip) + steps[i].seed_add) & keep;
        call = 0;
        record.seed = seed;
      }
      const MaskBits mask = generate(seed, call++, static_cast<std::uint64_t>(mask_count(sample.problem)));
      record.dropped = &mask;
      observer->observe(record);
    }
    if (merged) merged->merge(*observer);
    else merged = std::move(observer);
  }
  return merged;
}

Judgement judge(const char* id, const Generator& generate, double alpha = 1e-9, std::uint64_t master = 1,
                std::optional<Focus> focus = std::nullopt, unsigned seed_bits = 64) {
  JudgeContext context;
  context.sample = sample_of();
  context.p = 0.3;
  context.alpha = alpha;
  context.focus = std::move(focus);
  return check(id).judge(
      *observe(check(id), context.sample, generate, master, 0, context.sample.blocks, seed_bits), context);
}

TEST(StreamsProtocol, AsksForEveryKindOfStep) {
  const Protocol& protocol = *checks().protocol("streams");
  EXPECT_EQ(protocol.default_calls, kStreamSteps);
  EXPECT_TRUE(protocol.streaming);
  const std::vector<Step> steps = protocol.steps(sample_of(), 0);
  ASSERT_EQ(steps.size(), kStreamSteps);
  std::map<unsigned, int> slots;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].seed_slot) ++slots[*steps[i].seed_slot];
    EXPECT_EQ(steps[i].seed_slot.has_value(), i <= kFirstCall || i >= kFirstOther);
    EXPECT_EQ(steps[i].seed_add, i < kFirstFlip ? i : i == kFirstCall ? std::uint64_t{0} - kSeedsBelow : 0);
    EXPECT_EQ(steps[i].seed_flip,
              i >= kFirstFlip && i < kFirstCall ? std::uint64_t{1} << (i - kFirstFlip) : std::uint64_t{0});
  }
  EXPECT_EQ(slots.size(), 17u);
  EXPECT_EQ(slots[0], 33);
}

TEST(SeedStreams, CatchASeedThatCallsCountUp) {
  const Judgement j = judge(kStreams, [](std::uint64_t seed, std::uint64_t call, std::uint64_t size) {
    return good(seed + call, 0, size);
  });
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, ::testing::HasSubstr("as where each call counts the seed up by one"));
}

TEST(SeedStreams, PassAGoodGenerator) {
  for (const char* id : {kStreams, kFlips}) {
    const Judgement j = judge(id, good);
    EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
    EXPECT_EQ(j.statistics.size(), 2u);
    EXPECT_EQ(check(id).hypotheses(sample_of()), 2u);
    EXPECT_TRUE(check(id).applies(sample_of()).applies);
    EXPECT_TRUE(check(id).detectable(sample_of(), 1e-9, 1e-6).has_value());
    for (const Statistic& s : j.statistics) EXPECT_TRUE(s.minimum_detectable_effect.has_value()) << s.name;
  }
}

TEST(SeedStreams, ApplyToSmallTensorsWithEnoughDrops) {
  for (const char* id : {kStreams, kFlips}) {
    EXPECT_FALSE(check(id).applies(sample_of("op=dropout,p=0.3,shape=2000000")).applies);
    EXPECT_FALSE(check(id).applies(sample_of("op=dropout,p=0.3,shape=200")).applies);
    EXPECT_FALSE(check(id).applies(sample_of("op=dropout2d,p=0.3,shape=100x100x64x64")).applies);
    EXPECT_TRUE(check(id).applies(sample_of("op=dropout2d,p=0.3,shape=100x100x8x8")).applies);
  }
}

TEST(SeedStreams, CatchASeedWhoseLowestBitIsIgnored) {
  const Generator generate = [](std::uint64_t seed, std::uint64_t call, std::uint64_t size) {
    return good(seed | 1, call, size);
  };
  const Judgement streams = judge(kStreams, generate);
  EXPECT_EQ(streams.verdict, Verdict::fail);
  EXPECT_TRUE(streams.statistics.at(0).rejects());
  const Judgement flips = judge(kFlips, generate);
  EXPECT_EQ(flips.verdict, Verdict::fail);
  EXPECT_THAT(flips.message,
              HasSubstr("the masks of a seed and of that seed with bit 0 flipped differ in 0 of 10000"));
  EXPECT_THAT(flips.message, HasSubstr("bit 0 of the seed may not matter"));
  EXPECT_EQ(flips.statistics.at(0).cell, kFirstFlip);
}

TEST(SeedStreams, CatchABitThatChangesAFewEntriesOnly) {
  const Generator generate = [](std::uint64_t seed, std::uint64_t call, std::uint64_t size) {
    MaskBits mask = good(seed & ~std::uint64_t{1 << 9}, call, size);
    if ((seed & (1 << 9)) == 0) return mask;
    const MaskBits other = good(~seed, call, size);
    for (std::uint64_t w = 0; w < mask.words().size(); w += 2) mask.words()[w] = other.words()[w];
    return mask;
  };
  const Judgement flips = judge(kFlips, generate);
  EXPECT_EQ(flips.verdict, Verdict::fail);
  EXPECT_THAT(flips.message, HasSubstr("with bit 9 flipped"));
  EXPECT_THAT(flips.message, HasSubstr("mixed too little"));
  EXPECT_FALSE(flips.statistics.at(1).rejects());
}

TEST(SeedStreams, CatchSeedsThatAreCutShort) {
  const Generator generate = [](std::uint64_t seed, std::uint64_t call, std::uint64_t size) {
    return good(seed / 4, call, size);
  };
  const Judgement flips = judge(kFlips, generate);
  EXPECT_TRUE(flips.statistics.at(0).rejects());
  // Whether s and s + 1 share s / 4 depends on s.
  EXPECT_EQ(flips.verdict, Verdict::fail);
  EXPECT_EQ(judge(kStreams, generate).verdict, Verdict::fail);
}

TEST(SeedStreams, CatchCallsThatRepeat) {
  const Generator generate = [](std::uint64_t seed, std::uint64_t, std::uint64_t size) {
    return good(seed, 0, size);
  };
  const Judgement j = judge(kStreams, generate);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("after that seed - 8 are dropped more often together"));
  EXPECT_THAT(j.message, HasSubstr("the stream may not advance between calls"));
  EXPECT_NEAR(j.statistics.at(0).effect->value, 1, 1e-12);
  EXPECT_EQ(judge(kFlips, generate).verdict, Verdict::pass) << "all seeds matter";
}

TEST(SeedStreams, CatchAWeakFactorInAllMasks) {
  const Generator generate = [](std::uint64_t seed, std::uint64_t call, std::uint64_t size) {
    MaskBits mask = good(seed, call, size);
    const MaskBits common = good(0, 0, size);
    std::mt19937_64 engine(seed ^ (call << 32));
    for (std::uint64_t t = 0; t < size; ++t)
      if (engine() % 14 == 0) {
        const std::uint64_t bit = std::uint64_t{1} << (t % 64);
        mask.words()[t / 64] = common[t] ? mask.words()[t / 64] | bit : mask.words()[t / 64] & ~bit;
      }
    return mask;
  };
  const Judgement j = judge(kStreams, generate);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("not independent of each other: over 20"));
  EXPECT_FALSE(j.statistics.at(0).rejects()) << "no pair alone shows it";
}

TEST(SeedStreams, DoNotCompareStepsThatWereGivenTheSameSeed) {
  // With seeds of 4 bits flips of higher bits, additions that wrap and unrelated seeds all meet.
  for (const char* id : {kStreams, kFlips}) {
    const Judgement j = judge(id, good, 1e-9, 1, std::nullopt, 4);
    EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  }
  // Seeds of 64 bits: s with bit k flipped is s + 2^k or s - 2^k; only the former is a step too.
  const Statistic worst = judge(kStreams, good).statistics.at(0);
  const auto pairs = static_cast<std::uint64_t>(worst.counts.at(4).second.at(0));
  EXPECT_LT(pairs, 2016u);
  EXPECT_GE(pairs, 2012u);
  EXPECT_EQ(judge(kFlips, good, 1e-9, 1, std::nullopt, 4).statistics.at(0).counts.at(6).second.at(0), 4);
}

TEST(SeedStreams, FocusTestsOneCell) {
  const Judgement pair = judge(kStreams, good, 1e-3, 1, Focus{kWorstStreams, 5 * kStreamSteps + 40});
  EXPECT_EQ(pair.statistics.at(0).cell, 5 * kStreamSteps + 40);
  EXPECT_EQ(pair.statistics.at(0).counts.at(4).second.at(0), 1);
  const Judgement flip = judge(kFlips, good, 1e-3, 1, Focus{"one bit of the seed flipped", 20});
  EXPECT_EQ(flip.statistics.at(0).cell, 20u);
  EXPECT_EQ(flip.statistics.at(0).counts.at(6).second.at(0), 1);
}

TEST(SeedStreams, RejectNoMoreOftenThanTheirLevel) {
  for (const char* id : {kStreams, kFlips}) {
    std::map<std::string, std::uint64_t> rejected;
    constexpr std::uint64_t kRuns = 40;
    for (std::uint64_t run = 0; run < kRuns; ++run)
      for (const Statistic& s : judge(id, good, 0.05, 100 + run).statistics)
        rejected[s.name] += s.rejects() ? 1u : 0u;
    EXPECT_EQ(rejected.size(), 2u);
    for (const auto& [name, count] : rejected)
      EXPECT_GT(stats::binomial_upper_tail(kRuns, count, 0.05), 1e-6) << name << " " << count;
  }
}

TEST(SeedStreams, MergeInAnyOrder) {
  const SampleInfo sample = sample_of("op=dropout,p=0.3,shape=4000", 3);
  JudgeContext context;
  context.sample = sample;
  context.p = 0.3;
  context.alpha = 1e-9;
  for (const char* id : {kStreams, kFlips}) {
    const auto whole = observe(check(id), sample, good, 1, 0, 3);
    auto back = observe(check(id), sample, good, 1, 2, 3);
    back->merge(*observe(check(id), sample, good, 1, 0, 2));
    const Judgement a = check(id).judge(*whole, context), b = check(id).judge(*back, context);
    ASSERT_EQ(a.statistics.size(), b.statistics.size());
    for (std::size_t k = 0; k < a.statistics.size(); ++k)
      EXPECT_EQ(a.statistics[k].counts, b.statistics[k].counts);
  }
}

}  // namespace
}  // namespace dropcheck::suites
