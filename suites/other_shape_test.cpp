#include <gmock/gmock.h>

#include <set>

#include "suites/testing/planted_backend.hpp"

namespace dropcheck::suites {
namespace {

using ::testing::HasSubstr;
using testing::judge;
using testing::PlantedBackend;

Judgement of_elements(PlantedBackend& backend) {
  return judge("seed_determinism.other_shape", "other_shape", "op=dropout,p=0.5,shape=256", backend);
}
Judgement of_channels(PlantedBackend& backend) {
  return judge("seed_determinism.other_shape", "other_channel_shape", "op=dropout2d,p=0.5,shape=1x256x2x2",
               backend);
}

TEST(OtherShape, PassesAStreamThatGoesOn) {
  PlantedBackend backend;
  const Judgement elements = of_elements(backend), channels = of_channels(backend);
  EXPECT_EQ(elements.verdict, Verdict::pass) << elements.message;
  EXPECT_EQ(elements.comparisons, 120u) << "pairs of 16 calls";
  EXPECT_EQ(channels.verdict, Verdict::pass) << channels.message;
  EXPECT_EQ(channels.comparisons, 120u);
}

/// Every new shape begins the stream of the last seed again, as kernels do that own their generator.
PlantedBackend restarting(std::set<std::vector<std::int64_t>>& known) {
  PlantedBackend backend;
  backend.before_drawing = [&known](const Call& call, PlantedBackend::Engine& engine) {
    if (known.insert(call.x.view.shape).second) engine.seed(42);
  };
  return backend;
}

TEST(OtherShape, CatchesAGeneratorForEachShape) {
  std::set<std::vector<std::int64_t>> known;
  PlantedBackend backend = restarting(known);
  const Judgement j = of_elements(backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("have the same mask in the first 240 elements"));
}

TEST(OtherShape, CatchesAGeneratorForEachShapeOfChannels) {
  std::set<std::vector<std::int64_t>> known;
  PlantedBackend backend = restarting(known);
  const Judgement j = of_channels(backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("have the same mask in the first 240 channels"));
}

TEST(OtherShape, LeavesOutOperatorsThatABackendLacks) {
  std::set<std::vector<std::int64_t>> known;
  PlantedBackend backend = restarting(known);
  backend.claims.ops = {Op::dropout2d};
  const Judgement j = of_channels(backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_EQ(j.comparisons, 66u) << "pairs of 12 calls";
}

/// Draws the words of the last call again where `again` says so.
PlantedBackend repeating(std::function<bool(const Call&)> again) {
  PlantedBackend backend;
  backend.before_drawing = [again = std::move(again), before = PlantedBackend::Engine()](
                               const Call& call, PlantedBackend::Engine& engine) mutable {
    if (again(call)) engine = before;
    before = engine;
  };
  return backend;
}

TEST(OtherShape, CatchesAnotherDTypeThatTakesTheWordsOfTheCallBefore) {
  for (const DType dtype : {DType::f64, DType::f16, DType::bf16}) {
    PlantedBackend backend = repeating([dtype](const Call& call) { return call.x.view.dtype == dtype; });
    for (const Judgement& j : {of_elements(backend), of_channels(backend)}) {
      EXPECT_EQ(j.verdict, Verdict::fail) << to_string(dtype);
      EXPECT_THAT(j.message, HasSubstr("begins again with another shape or dtype"));
    }
  }
}

TEST(OtherShape, CatchesAStreamThatSeedsDoNotReach) {
  // A state of zeros after each seed, which tensors of two dimensions and more go on with.
  PlantedBackend backend;
  PlantedBackend::Engine aside(0), seeded;
  backend.before_drawing = [&](const Call& call, PlantedBackend::Engine& engine) {
    if (call.seed) aside.seed(0);
    if (call.x.view.shape.size() < 2) {
      engine = call.seed ? engine : seeded;
      seeded = engine;
      seeded.discard(1);
    } else {
      engine = aside;
      aside.discard(1);
    }
  };
  const Judgement j = of_elements(backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("calls after two seeds, have the same mask in the first 240 elements"));
  EXPECT_THAT(j.message, HasSubstr("the seed does not reach every stream"));
}

}  // namespace
}  // namespace dropcheck::suites
