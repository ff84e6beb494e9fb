#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "suites/testing/planted_backend.hpp"

namespace dropcheck::suites {
namespace {

using ::testing::HasSubstr;

constexpr const char* kCase = "op=dropout,p=0.3,shape=64";

/// Declares this rate for every call.
Judgement declaring(const std::function<std::optional<double>(double p)>& rate) {
  testing::PlantedBackend backend;
  backend.claims.effective_rate = true;
  backend.spoil_observation = [&](const Call& call, Observation& seen) { seen.effective_p = rate(call.p); };
  return testing::judge("mask_rate.effective_rate", "rates", kCase, backend);
}

TEST(EffectiveRate, PassesARateWithinTheLimitOverTheWholeRange) {
  const Judgement exact = declaring([](double p) { return p; });
  EXPECT_EQ(exact.verdict, Verdict::pass);
  EXPECT_GE(exact.comparisons, 64u);
  const Judgement fine = declaring([](double p) { return std::ldexp(std::round(std::ldexp(p, 24)), -24); });
  EXPECT_EQ(fine.verdict, Verdict::pass);
  EXPECT_THAT(fine.message, HasSubstr("within 5.96e-08 of p"));
}

TEST(EffectiveRate, FailsAThresholdOfEightBitsAndSaysSo) {
  const Judgement j = declaring([](double p) { return std::ldexp(std::round(std::ldexp(p, 8)), -8); });
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("by its own account"));
  const Judgement tenth = declaring([](double p) { return std::fabs(p - 0.1) < 1e-9 ? 26.0 / 256 : p; });
  EXPECT_THAT(tenth.message, HasSubstr("it is 13/128: the threshold has 7 bits"));
}

TEST(EffectiveRate, WantsExactEndsAndADeclarationFromEveryCall) {
  const double above = std::numeric_limits<double>::denorm_min();
  EXPECT_EQ(declaring([&](double p) { return p == 0 ? above : p; }).verdict, Verdict::fail);
  EXPECT_EQ(declaring([](double p) { return p == 1 ? std::nextafter(1.0, 0.0) : p; }).verdict, Verdict::fail);
  const Judgement silent = declaring([](double p) { return p > 0.9 ? std::nullopt : std::optional(p); });
  EXPECT_EQ(silent.verdict, Verdict::fail);
  EXPECT_THAT(silent.message, HasSubstr("declared none"));
  EXPECT_EQ(declaring([](double) { return std::numeric_limits<double>::quiet_NaN(); }).verdict,
            Verdict::fail);
}

}  // namespace
}  // namespace dropcheck::suites
