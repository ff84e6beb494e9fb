// On masks that are what they should be, no statistic rejects more often than its level: 300 masks each, at
// level 0.01, from fixed seeds.
#include <gtest/gtest.h>

#include <map>
#include <ostream>
#include <random>

#include "harness/stats/binomial.hpp"
#include "suites/testing/planted_backend.hpp"

namespace dropcheck::suites {
namespace {

constexpr std::uint64_t kSeeds = 300;
constexpr double kAlpha = 0.01;
constexpr double kTail = 1e-6;

struct Calibrated {
  const char* check;
  const char* protocol;
  const char* descriptor;
  std::uint32_t calls;
  friend void PrintTo(const Calibrated& row, std::ostream* out) { *out << row.check; }
};

class Calibration : public ::testing::TestWithParam<Calibrated> {};

TEST_P(Calibration, RejectsNoMoreOftenThanItsLevel) {
  const Calibrated& c = GetParam();
  const Check& check = *testing::suites_registry().check(c.check);
  Step step;
  step.problem = testing::problem_of(c.descriptor);
  JudgeContext context;
  context.sample = {c.protocol, step.problem, 1, c.calls};
  context.p = step.problem.p;
  context.alpha = kAlpha;
  ASSERT_TRUE(check.applies(context.sample).applies) << check.applies(context.sample).left_out;
  const auto n = static_cast<std::uint64_t>(element_count(step.problem.shape));
  std::map<std::string, std::uint64_t> rejected;
  std::mt19937_64 engine(20240229);
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    context.pit_key = engine();
    const auto observer = check.observer(context.sample);
    for (std::uint32_t call = 0; call < c.calls; ++call) {
      MaskBits bits(n);
      for (std::uint64_t i = 0; i < n; ++i)
        if (static_cast<double>(engine() >> 11) * 0x1p-53 < step.problem.p) bits.set(i);
      StepRecord record;
      record.index = call;
      record.step = &step;
      record.dropped = &bits;
      observer->observe(record);
    }
    for (const Statistic& s : check.judge(*observer, context).statistics)
      rejected[s.name] += s.rejects() ? 1 : 0;
  }
  EXPECT_EQ(rejected.size(), check.hypotheses(context.sample));
  for (const auto& [name, count] : rejected)
    EXPECT_GT(stats::binomial_upper_tail(kSeeds, count, kAlpha), kTail) << name << ": " << count;
}

INSTANTIATE_TEST_SUITE_P(
    Checks, Calibration,
    ::testing::Values(Calibrated{"mask_rate.drop_rate", "mask", "op=dropout,p=0.1,shape=20000", 1},
                      Calibrated{"mask_rate.lanes", "mask", "op=dropout,p=0.3,shape=8192", 2},
                      Calibrated{"mask_rate.worst_lane", "mask", "op=dropout,p=0.3,shape=8192", 16},
                      Calibrated{"mask_rate.block_histogram", "mask", "op=dropout,p=0.3,shape=262144", 1},
                      Calibrated{"mask_rate.block_rates", "mask", "op=dropout,p=0.3,shape=131072", 1},
                      Calibrated{"mask_rate.position", "position", "op=dropout,p=0.3,shape=67", 128},
                      Calibrated{"channel_correlation.axes", "mask", "op=dropout,p=0.3,shape=16x24x32", 1}),
    [](const auto& row) {
      std::string name = row.param.check;
      for (char& letter : name) letter = letter == '.' ? '_' : letter;
      return name;
    });

}  // namespace
}  // namespace dropcheck::suites
