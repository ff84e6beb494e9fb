#include <gmock/gmock.h>

#include <algorithm>
#include <bit>

#include "suites/testing/planted_backend.hpp"

namespace dropcheck::suites {
namespace {

using ::testing::HasSubstr;
using testing::judge;
using ::testing::Not;
using testing::PlantedBackend;

Judgement judged(PlantedBackend& backend) {
  return judge("seed_determinism.seed_bits", "seed_bits", "op=dropout,p=0.5,shape=256", backend);
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
  EXPECT_GE(j.comparisons, 64u + 2u + 64u + 3u);  // some seeds come twice
}

TEST(SeedBits, CatchAnUpperHalfThatIsCutOff) {
  PlantedBackend backend = with_seed([](std::uint64_t seed) { return seed & 0xFFFFFFFFu; });
  const Judgement j = judged(backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("which differ in bit 32, give the same mask of 256 entries"));
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
  EXPECT_GE(j.comparisons, 32u + 1u + 32u + 2u);
  EXPECT_LT(j.comparisons, 72u);
  EXPECT_THAT(j.message, HasSubstr("without effect, and not promised: bits 32 to 63 of a seed"));
}

TEST(SeedBits, SayNothingOfBitsBeyondThoseThatHaveAnEffectOrAreRefused) {
  PlantedBackend backend;
  backend.claims.seed_bits = 32;
  EXPECT_THAT(judged(backend).message, Not(HasSubstr("without effect")));
  backend.instead = [](const Call& call) -> std::optional<Expected<Observation>> {
    if (!call.seed || *call.seed >> 32 == 0) return std::nullopt;
    return Error{ErrorCode::invalid_argument, "a seed has 32 bits"};
  };
  const Judgement j = judged(backend);
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  EXPECT_THAT(j.message, Not(HasSubstr("without effect")));
}

TEST(SeedBits, CatchSeedsThatAreClamped) {
  PlantedBackend backend = with_seed([](std::uint64_t seed) { return std::min<std::uint64_t>(seed, 65535); });
  EXPECT_EQ(judged(backend).verdict, Verdict::fail);
}

TEST(SeedBits, CatchARemainder) {
  PlantedBackend backend = with_seed([](std::uint64_t seed) { return seed % 0x7FFFFFFF; });
  EXPECT_EQ(judged(backend).verdict, Verdict::fail);
}

TEST(SeedBits, CatchASeedThatIsTakenForItsDouble) {
  PlantedBackend backend = with_seed([](std::uint64_t seed) {
    return seed < (1u << 20) ? seed >> (std::countr_zero(seed | 1u << 20)) : seed;
  });
  const Judgement j = judged(backend);
  EXPECT_EQ(j.verdict, Verdict::fail) << "24301 and 48602";
}

}  // namespace
}  // namespace dropcheck::suites
