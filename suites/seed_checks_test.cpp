// Checks of seeds against one planted defect each.
#include <gmock/gmock.h>

#include <set>

#include "suites/testing/planted_backend.hpp"

namespace dropcheck::suites {
namespace {

using testing::Drawn;
using testing::Dropped;
using ::testing::HasSubstr;
using testing::judge;
using testing::PlantedBackend;
using testing::Sampling;

constexpr const char* kElements = "op=dropout,p=0.5,shape=1024";

/// Opens planted backends with these seeds of their own in place of the one that is given.
Sampling with_instances(std::function<std::uint64_t(const Instance&, std::uint64_t)> seed_of) {
  Sampling sampling;
  sampling.instances = [seed_of](const Instance& instance) -> Expected<std::unique_ptr<Backend>> {
    auto backend = std::make_unique<PlantedBackend>();
    backend->before_drawing = [seed_of, instance](const Call& call, PlantedBackend::Engine& engine) {
      if (call.seed) engine.seed(seed_of(instance, *call.seed));
    };
    return std::unique_ptr<Backend>(std::move(backend));
  };
  return sampling;
}

// --- another process

Judgement in_fresh_process(PlantedBackend& backend, const Sampling& sampling) {
  return judge("seed_determinism.fresh_process", "fresh_process", kElements, backend, sampling);
}

TEST(FreshProcess, PassesWhereASeedIsAllThatCounts) {
  PlantedBackend backend;
  const Judgement j =
      in_fresh_process(backend, with_instances([](const Instance&, std::uint64_t seed) { return seed; }));
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  EXPECT_EQ(j.comparisons, 4096u);
}

TEST(FreshProcess, CatchesASeedThatIsMixedWithSomethingOfTheProcess) {
  PlantedBackend backend;
  const Judgement j =
      in_fresh_process(backend, with_instances([](const Instance&, std::uint64_t seed) { return seed + 1; }));
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("in another process"));
}

TEST(FreshProcess, IsUnsupportedWhereNoOtherInstanceCanBeOpened) {
  PlantedBackend backend;
  EXPECT_EQ(in_fresh_process(backend, {}).verdict, Verdict::unsupported);
}

// --- memory

Judgement in_other_memory(PlantedBackend& backend) {
  return judge("seed_determinism.other_memory", "other_memory", kElements, backend);
}

TEST(OtherMemory, PassesWhereASeedIsAllThatCounts) {
  PlantedBackend backend;
  const Judgement j = in_other_memory(backend);
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  EXPECT_EQ(j.comparisons, 2560u);
}

TEST(OtherMemory, CatchesAnAddressInThePlaceOfTheSeed) {
  PlantedBackend backend;
  backend.before_drawing = [](const Call& call, PlantedBackend::Engine& engine) {
    if (call.seed) engine.seed(reinterpret_cast<std::uintptr_t>(call.x.view.data));
  };
  const Judgement j = in_other_memory(backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("at other addresses"));
}

TEST(OtherMemory, CatchesTheAddressOfTheResultToo) {
  PlantedBackend backend;
  backend.before_drawing = [](const Call& call, PlantedBackend::Engine& engine) {
    if (call.seed) engine.seed(*call.seed ^ reinterpret_cast<std::uintptr_t>(call.y.view.data));
  };
  EXPECT_EQ(in_other_memory(backend).verdict, Verdict::fail);
}

// --- alignment

Judgement at_other_alignments(PlantedBackend& backend) {
  return judge("seed_determinism.alignment", "alignment", kElements, backend);
}

TEST(Alignment, PassesWhereASeedIsAllThatCounts) {
  PlantedBackend backend;
  std::set<std::uintptr_t> seen;  // bytes that x and y lie past an aligned address
  backend.before_drawing = [&](const Call& call, PlantedBackend::Engine&) {
    const TensorView& y = call.in_place ? call.x.view : call.y.view;
    const auto x_past = reinterpret_cast<std::uintptr_t>(call.x.view.data) % 64;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(y.data) % 64, x_past);
    if (call.x.view.dtype == DType::f32) seen.insert(x_past);
    EXPECT_TRUE(call.x.view.is_contiguous());
  };
  const Judgement j = at_other_alignments(backend);
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  // 4 of f32, 1 in place, 1 of f64 and 4 of f16, of 512 elements each; 1 of 256 channels of 2.
  EXPECT_EQ(j.comparisons, 11u * 512);
  EXPECT_EQ(seen, (std::set<std::uintptr_t>{0, 4, 8, 16, 32}));
}

TEST(Alignment, CatchesAMaskThatGoesByTheAddressOfXOrY) {
  for (const bool by_y : {false, true}) {
    PlantedBackend backend;
    backend.before_drawing = [by_y](const Call& call, PlantedBackend::Engine& engine) {
      const TensorView& looked_at = by_y && !call.in_place ? call.y.view : call.x.view;
      if (call.seed) engine.seed(*call.seed + reinterpret_cast<std::uintptr_t>(looked_at.data) % 16);
    };
    const Judgement j = at_other_alignments(backend);
    EXPECT_EQ(j.verdict, Verdict::fail);
    EXPECT_THAT(j.message, HasSubstr("4 bytes past an aligned address"));
    EXPECT_EQ(in_other_memory(backend).verdict, Verdict::pass) << "these are aligned alike";
  }
}

TEST(Alignment, IsUnsupportedWithoutTheLayout) {
  PlantedBackend backend;
  backend.claims.layouts = {Layout::contiguous};
  const Judgement j = at_other_alignments(backend);
  EXPECT_EQ(j.verdict, Verdict::unsupported);
  EXPECT_THAT(j.message, HasSubstr("layout shifted"));
}

TEST(Alignment, IsAFindingAndNoFailureOfTheRun) {
  EXPECT_EQ(testing::suites_registry().check("seed_determinism.alignment")->info().level, Level::recommended);
}

// --- a seed after other calls

Judgement reseeded(PlantedBackend& backend,
                   const Sampling& sampling = with_instances([](const Instance&, std::uint64_t seed) {
                     return seed;
                   })) {
  return judge("seed_determinism.reseed_after_calls", "reseed_after_calls", "op=dropout,p=0.5,shape=600",
               backend, sampling);
}

TEST(ReseedAfterCalls, PassesWhereASeedBeginsItsStreamAgain) {
  PlantedBackend backend;
  const Judgement j = reseeded(backend);
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  EXPECT_EQ(j.comparisons, 1200u);
}

TEST(ReseedAfterCalls, CatchesAStateThatTheFirstSeedMadeForGood) {
  PlantedBackend backend;
  backend.before_drawing = [kept = PlantedBackend::Engine(), is_made = false](
                               const Call& call, PlantedBackend::Engine& engine) mutable {
    if (call.seed && is_made) engine = kept;
    is_made = true;
    kept = engine;
    kept.discard(static_cast<unsigned long long>(call.x.view.count()));
  };
  const Judgement j = reseeded(backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("before and after other calls"));
}

TEST(ReseedAfterCalls, CatchesAStateThatAnotherInstanceHasMade) {
  PlantedBackend backend;
  std::uint64_t salt = 0;  // of the process
  backend.before_drawing = [&](const Call& call, PlantedBackend::Engine& engine) {
    if (call.seed) engine.seed(*call.seed + salt);
  };
  EXPECT_EQ(reseeded(backend).verdict, Verdict::pass);
  const Judgement j = reseeded(backend, with_instances([&](const Instance&, std::uint64_t seed) {
                                 ++salt;
                                 return seed;
                               }));
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("calls of another instance"));
}

TEST(ReseedAfterCalls, CatchesANumberThatOneCallLeftOver) {
  PlantedBackend backend;
  std::uint64_t calls = 0;  // odd after an odd number of them, as a spare normal variate would be
  backend.spoil_mask = [&calls](const Drawn& drawn, Dropped& dropped) {
    if (drawn.call.p == 0.3) ++calls;
    if (calls % 2 == 1 && drawn.call.p == 0.5) dropped[17] ^= 1;
  };
  EXPECT_EQ(reseeded(backend).verdict, Verdict::fail);
}

// --- offsets

/// Goes on at the offset, in words of a counter.
PlantedBackend with_offset(std::uint64_t (*used)(std::uint64_t)) {
  PlantedBackend backend;
  backend.before_drawing = [used](const Call& call, PlantedBackend::Engine& engine) {
    if (call.seed) engine.seed(*call.seed ^ used(call.offset) * 0x9E3779B97F4A7C15u);
  };
  return backend;
}

Judgement offset_bits(PlantedBackend& backend) {
  return judge("seed_determinism.offset_bits", "offset_bits", "op=dropout,p=0.5,shape=256", backend);
}

TEST(OffsetBits, PassABackendThatUsesThemAll) {
  PlantedBackend backend = with_offset([](std::uint64_t offset) { return offset; });
  const Judgement j = offset_bits(backend);
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  EXPECT_EQ(j.comparisons, 62u + 8u);
}

TEST(OffsetBits, CatchASeedOfWhichAnOffsetLeavesHalf) {
  PlantedBackend backend;
  backend.before_drawing = [](const Call& call, PlantedBackend::Engine& engine) {
    if (!call.seed) return;
    const std::uint64_t seed = call.offset == 0 ? *call.seed : *call.seed & 0xFFFFFFFFu;
    engine.seed(seed ^ call.offset * 0x9E3779B97F4A7C15u);
  };
  const Judgement j = offset_bits(backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("at offset 0x4 (calls) give the same mask of 256 entries"));
}

TEST(OffsetBits, AskForNoSeedBitsBeyondThoseThatABackendClaims) {
  PlantedBackend backend = with_offset([](std::uint64_t offset) { return offset; });
  backend.claims.seed_bits = 32;
  const Judgement j = offset_bits(backend);
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  EXPECT_EQ(j.comparisons, 62u + 4u);
}

TEST(OffsetBits, CatchAnUpperHalfThatIsCutOff) {
  PlantedBackend backend = with_offset([](std::uint64_t offset) { return offset & 0xFFFFFFFFu; });
  const Judgement j = offset_bits(backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("the offsets 0x0 and 0x100000000 (calls) give the same mask"));
}

TEST(OffsetBits, CatchATopBitThatIsASign) {
  PlantedBackend backend =
      with_offset([](std::uint64_t offset) { return offset & ~(std::uint64_t{1} << 63); });
  EXPECT_EQ(offset_bits(backend).verdict, Verdict::fail);
}

TEST(OffsetBits, AreNotAskedOfABackendWithoutOffsets) {
  PlantedBackend backend;
  backend.claims.offset_unit.clear();
  EXPECT_EQ(offset_bits(backend).verdict, Verdict::unsupported);
}

// --- distinct masks

Judgement distinct(PlantedBackend& backend, const char* descriptor = "op=dropout,p=0.5,shape=128,calls=800") {
  return judge("seed_determinism.distinct_masks", "distinct_masks", descriptor, backend);
}

TEST(DistinctMasks, PassWhereNoMaskComesTwice) {
  PlantedBackend backend;
  const Judgement j = distinct(backend);
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  EXPECT_EQ(j.comparisons, 799u);
  EXPECT_THAT(j.message, HasSubstr("the masks of 800 calls are all different"));
}

TEST(DistinctMasks, CatchSeedsThatAreDrawnFromFewValues) {
  PlantedBackend backend;
  backend.before_drawing = [](const Call& call, PlantedBackend::Engine& engine) {
    if (call.seed) engine.seed(17 + *call.seed % 4096);
  };
  const Judgement j = distinct(backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("the seed 0x"));
}

TEST(DistinctMasks, CatchCallsThatBeginAgainAfterAPeriod) {
  PlantedBackend backend;
  backend.before_drawing = [calls = 0](const Call& call, PlantedBackend::Engine& engine) mutable {
    if (!call.seed && ++calls % 301 == 0) engine.seed(5);
  };
  EXPECT_EQ(distinct(backend, "op=dropout,p=0.5,shape=128,calls=1400").verdict, Verdict::fail);
}

TEST(DistinctMasks, SayWhichCallsOfAStreamAreEqual) {
  PlantedBackend backend;
  backend.before_drawing = [](const Call& call, PlantedBackend::Engine& engine) {
    if (!call.seed) engine.seed(42);
  };
  const Judgement j = distinct(backend, "op=dropout,p=0.5,shape=128,calls=8");
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message,
              HasSubstr("call 2 after the first seed and call 3 after the first seed have the same "
                        "mask of 128 entries; of 8 calls, 2 have the mask of an earlier one"));
}

TEST(DistinctMasks, TakeTheSameSeedTwiceWhereThereAreFewSeeds) {
  PlantedBackend backend;
  backend.claims.seed_bits = 8;
  EXPECT_EQ(distinct(backend).verdict, Verdict::pass);
}

TEST(DistinctMasks, ApplyOnlyWhereAnEqualityIsTelling) {
  const Check& check = *testing::suites_registry().check("seed_determinism.distinct_masks");
  const auto applies = [&](const char* descriptor) {
    const Problem problem = testing::problem_of(descriptor);
    return check.applies({"distinct_masks", problem, 1, problem.calls.value_or(1)}).applies;
  };
  EXPECT_TRUE(applies("op=dropout,p=0.5,shape=128,calls=40000"));
  EXPECT_FALSE(applies("op=dropout,p=0.5,shape=64,calls=40000"));
  EXPECT_FALSE(applies("op=dropout,p=0.01,shape=128,calls=40000"));
}

// --- entries in other places

Judgement reindexed(PlantedBackend& backend) {
  return judge("seed_determinism.reindexed", "reindexed", "op=dropout,p=0.5,shape=8192", backend);
}

/// Moves entries of the mask of the last call into this one.
PlantedBackend that_reads_again(std::function<void(const Dropped& last, Dropped& now)> move) {
  PlantedBackend backend;
  backend.spoil_mask = [last = Dropped(), move](const Drawn& drawn, Dropped& dropped) mutable {
    const Dropped drawn_now = dropped;
    if (!drawn.call.seed && last.size() == dropped.size()) move(last, dropped);
    last = drawn_now;
  };
  return backend;
}

TEST(Reindexed, PassesWhereEveryEntryIsDrawnAnew) {
  PlantedBackend backend;
  const Judgement j = reindexed(backend);
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  EXPECT_GT(j.comparisons, 200000u);
}

TEST(Reindexed, CatchesLanesOfFourThatAreReadAgain) {
  PlantedBackend backend = that_reads_again([](const Dropped& last, Dropped& now) {
    for (std::size_t t = 0; t + 4 <= now.size(); t += 4) now[t + 1] = last[t + 3];
  });
  const Judgement j = reindexed(backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("128 successive entries 4 apart"));
}

TEST(Reindexed, CatchesLanesThatAreReadAgainSomeGroupsLater) {
  PlantedBackend backend = that_reads_again([](const Dropped& last, Dropped& now) {
    for (std::size_t t = 1000; t + 16 <= now.size(); t += 16) now[t + 3] = last[t - 592];
  });
  EXPECT_EQ(reindexed(backend).verdict, Verdict::fail);
}

TEST(Reindexed, CatchesRowsThatAreMoved) {
  PlantedBackend backend = that_reads_again([](const Dropped& last, Dropped& now) {
    std::copy(last.begin(), last.begin() + 300, now.begin() + 4096 + 77);
  });
  EXPECT_EQ(reindexed(backend).verdict, Verdict::fail);
}

TEST(Reindexed, CatchesTheNextCallUnderTheNextSeed) {
  PlantedBackend backend;
  backend.before_drawing = [seed = std::uint64_t{0}](const Call& call,
                                                     PlantedBackend::Engine& engine) mutable {
    seed = call.seed ? *call.seed : seed + 1;
    engine.seed(seed);
  };
  EXPECT_EQ(reindexed(backend).verdict, Verdict::fail);
}

}  // namespace
}  // namespace dropcheck::suites
