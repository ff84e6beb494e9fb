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
  EXPECT_EQ(elements.comparisons, 10u);
  EXPECT_EQ(channels.verdict, Verdict::pass) << channels.message;
  EXPECT_EQ(channels.comparisons, 10u);
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
  EXPECT_EQ(j.comparisons, 3u);
}

}  // namespace
}  // namespace dropcheck::suites
