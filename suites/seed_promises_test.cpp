// Checks of what a backend may promise of its seeds, against one planted defect each.
#include <gmock/gmock.h>

#include <algorithm>

#include "suites/testing/planted_backend.hpp"

namespace dropcheck::suites {
namespace {

using testing::Drawn;
using testing::Dropped;
using ::testing::HasSubstr;
using testing::judge;
using testing::PlantedBackend;
using testing::Sampling;

// --- a batch in parts

Judgement split(PlantedBackend& backend) {
  return judge("seed_determinism.batch_split", "batch_split", "op=dropout,p=0.5,shape=8x97", backend);
}

TEST(BatchSplit, PassesAStreamWithoutGaps) {
  PlantedBackend backend;
  const Judgement j = split(backend);
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  EXPECT_EQ(j.comparisons, 2u);
}

TEST(BatchSplit, CatchesWordsThatACallLeavesOut) {
  PlantedBackend backend;
  backend.before_drawing = [](const Call& call, PlantedBackend::Engine& engine) {
    if (!call.seed) engine.discard(1);
  };
  const Judgement j = split(backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("from row 3 on; the backend promises batch_split"));
}

TEST(BatchSplit, CatchesCallsThatBeginAtAMultipleOfFour) {
  PlantedBackend backend;
  backend.before_drawing = [used = 0](const Call& call, PlantedBackend::Engine& engine) mutable {
    if (call.seed) used = 0;
    engine.discard(static_cast<unsigned long long>((4 - used % 4) % 4));
    used = static_cast<int>(call.x.view.count());
  };
  EXPECT_EQ(split(backend).verdict, Verdict::fail);
}

// --- ranks

Sampling ranks_with(std::function<std::uint64_t(std::uint32_t rank)> key) {
  Sampling sampling;
  sampling.instances = [key](const Instance& instance) -> Expected<std::unique_ptr<Backend>> {
    auto backend = std::make_unique<PlantedBackend>();
    backend->before_drawing = [own = key(instance.rank)](const Call& call, PlantedBackend::Engine& engine) {
      if (call.seed) engine.seed(*call.seed ^ own);
    };
    return std::unique_ptr<Backend>(std::move(backend));
  };
  return sampling;
}

Judgement ranks(const char* check, const Sampling& sampling) {
  PlantedBackend backend;
  return judge(check, "ranks", "op=dropout,p=0.5,shape=1024", backend, sampling);
}

TEST(IndependentRanks, PassWhereEachHasAStreamOfItsOwn) {
  const Judgement j = ranks("seed_determinism.independent_ranks", ranks_with([](auto rank) { return rank; }));
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  EXPECT_EQ(j.comparisons, 3u * 1024 + 3);
}

TEST(IndependentRanks, CatchRanksThatDrawTheSame) {
  const Judgement j = ranks("seed_determinism.independent_ranks", ranks_with([](auto) { return 0; }));
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("the ranks 0 and 1 of 3 draw the same mask of 1024 entries"));
}

TEST(IndependentRanks, CatchTwoOfThree) {
  EXPECT_EQ(
      ranks("seed_determinism.independent_ranks", ranks_with([](auto rank) { return rank % 2; })).verdict,
      Verdict::fail);
}

TEST(EqualRanks, PassWhereTheRankDoesNotEnter) {
  const Judgement j = ranks("seed_determinism.equal_ranks", ranks_with([](auto) { return 0; }));
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
}

TEST(EqualRanks, CatchARankWithAStreamOfItsOwn) {
  EXPECT_EQ(
      ranks("seed_determinism.equal_ranks", ranks_with([](auto rank) { return rank == 2 ? 1 : 0; })).verdict,
      Verdict::fail);
}

// --- replays

Judgement replayed(PlantedBackend& backend) {
  return judge("seed_determinism.replay", "replay", "op=dropout,p=0.5,shape=512", backend);
}

TEST(Replay, PassesWhereEachDrawsAnew) {
  PlantedBackend backend;
  const Judgement j = replayed(backend);
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  EXPECT_EQ(j.comparisons, 28u);
}

TEST(Replay, CatchesAMaskThatIsPartOfTheCapture) {
  PlantedBackend backend;
  backend.before_drawing = [](const Call& call, PlantedBackend::Engine& engine) {
    if (call.attributes.contains("replay")) engine.seed(99);
  };
  const Judgement j = replayed(backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("a replay must draw anew"));
}

TEST(Replay, CatchesASeedThatIsPartOfTheCapture) {
  PlantedBackend backend;
  backend.before_drawing = [first = std::optional<std::uint64_t>()](const Call& call,
                                                                    PlantedBackend::Engine& engine) mutable {
    if (!call.seed || !call.attributes.contains("replay")) return;
    if (!first) first = call.seed;
    engine.seed(*first);
  };
  EXPECT_EQ(replayed(backend).verdict, Verdict::fail);
}

// --- rising p

Judgement coupled(PlantedBackend& backend) {
  return judge("seed_determinism.coupled_thresholds", "coupled_thresholds", "op=dropout,p=0.5,shape=2048",
               backend);
}

TEST(CoupledThresholds, PassWhereOneNumberIsCompared) {
  PlantedBackend backend;
  const Judgement j = coupled(backend);
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  EXPECT_GT(j.comparisons, 2048u);
}

TEST(CoupledThresholds, CatchAPThatEntersTheDraw) {
  PlantedBackend backend;
  backend.before_drawing = [](const Call& call, PlantedBackend::Engine& engine) {
    if (call.seed) engine.seed(*call.seed + static_cast<std::uint64_t>(call.p * 1000));
  };
  const Judgement j = coupled(backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("entries that p = 0.05 drops are kept at p = 0.1"));
}

TEST(CoupledThresholds, CatchAThresholdFromTheOtherEnd) {
  PlantedBackend backend;  // above 1/2 the largest numbers are kept and not the smallest dropped
  backend.spoil_mask = [](const Drawn& drawn, Dropped& dropped) {
    if (drawn.call.p > 0.5) std::reverse(dropped.begin(), dropped.end());
  };
  EXPECT_EQ(coupled(backend).verdict, Verdict::fail);
}

}  // namespace
}  // namespace dropcheck::suites
