#include <gmock/gmock.h>

#include "suites/testing/planted_backend.hpp"

namespace dropcheck::suites {
namespace {

using ::testing::HasSubstr;
using testing::judge;
using testing::PlantedBackend;

Judgement judged(PlantedBackend& backend) {
  return judge("seed_determinism.seed_bits", "seed_bits", "op=dropout,p=0.5,shape=512", backend);
}

/// Draws with the seed that `used` makes of the one that is given.
PlantedBackend with_seed(std::uint64_t (*used)(std::uint64_t)) {
  PlantedBackend backend;
  backend.before_drawing = [used](const Call& call, PlantedBackend::Engine& engine) {
    if (call.seed) engine.seed(used(*call.seed));
  };
  return backend;
}

TEST(SeedBits, PassABackendThatUsesThemAll) {
  PlantedBackend backend;
  const Judgement j = judged(backend);
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  EXPECT_EQ(j.comparisons, 64u);
}

TEST(SeedBits, CatchAnUpperHalfThatIsCutOff) {
  PlantedBackend backend = with_seed([](std::uint64_t seed) { return seed & 0xFFFFFFFFu; });
  const Judgement j = judged(backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("which differ in bit 32, give the same mask of 512 entries"));
}

TEST(SeedBits, CatchTheTopBitAlone) {
  PlantedBackend backend = with_seed([](std::uint64_t seed) { return seed & ~(std::uint64_t{1} << 63); });
  const Judgement j = judged(backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("bit 63"));
}

TEST(SeedBits, CatchHalvesThatAreFoldedTogether) {
  PlantedBackend backend = with_seed([](std::uint64_t seed) { return (seed ^ seed >> 32) & 0xFFFFFFFFu; });
  const Judgement j = judged(backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("the bits 0 and 32"));
}

TEST(SeedBits, AskNothingBeyondThoseThatABackendClaims) {
  PlantedBackend backend = with_seed([](std::uint64_t seed) { return seed & 0xFFFFFFFFu; });
  backend.claims.seed_bits = 32;
  const Judgement j = judged(backend);
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  EXPECT_EQ(j.comparisons, 32u);
}

}  // namespace
}  // namespace dropcheck::suites
