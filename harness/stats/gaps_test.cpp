#include "harness/stats/gaps.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <stdexcept>
#include <vector>

#include "harness/stats/binomial.hpp"

namespace dropcheck::stats {
namespace {

struct Bits {
  std::vector<std::uint64_t> words;
  std::uint64_t size;
  explicit Bits(std::uint64_t n) : words((n + 63) / 64, 0), size(n) {}
  void drop(std::uint64_t i) { words[i / 64] |= std::uint64_t{1} << (i % 64); }
  bool at(std::uint64_t i) const { return (words[i / 64] >> (i % 64) & 1) != 0; }
  Chunk chunk(double p) const { return {words, size, Order::logical, 0, 0, p}; }
};

Bits drawn(std::uint64_t n, double p, std::mt19937_64& engine) {
  Bits bits(n);
  for (std::uint64_t i = 0; i < n; ++i)
    if (static_cast<double>(engine() >> 11) * 0x1p-53 < p) bits.drop(i);
  return bits;
}

TEST(PlannedGaps, AreHeldByAllButAnAstronomicalFewOfTheChunks) {
  for (const std::uint64_t n : {std::uint64_t{1}, std::uint64_t{1000}, std::uint64_t{65536}, kChunkBits})
    for (const double p : {0.5, 0.3, 0.1, 0.9, 0.999, 0.01, 1e-3, 1e-4, 1e-7}) {
      const std::uint64_t gaps = planned_gaps(n, std::min(p, 1 - p));
      ASSERT_LE(gaps, n);
      if (gaps == 0) continue;
      EXPECT_LT(binomial_lower_tail(n, gaps - 1, std::min(p, 1 - p)), std::exp(-72)) << n << ' ' << p;
    }
  EXPECT_EQ(planned_gaps(100, 0.1), 0u);
  EXPECT_EQ(planned_gaps(kChunkBits, 0.01), 9263u);
}

TEST(GapLaw, IsGeometric) {
  for (const double p : {0.5, 0.1, 0.9, 1e-3, 1e-6}) {
    const double r = std::min(p, 1 - p);
    const std::vector<double> law = gap_law(r, gap_cells(r));
    EXPECT_NEAR(std::accumulate(law.begin(), law.end(), 0.0), 1, 1e-11) << p;
    EXPECT_DOUBLE_EQ(law[0], r);
    EXPECT_NEAR(law[7] / (r * std::pow(1 - r, 7)), 1, 1e-12);
    EXPECT_LE(law.size(), 16385u);
  }
  EXPECT_LT(gap_law(0.1, gap_cells(0.1)).back(), 2.1e-9);
  EXPECT_THROW(gap_cells(0.0), std::domain_error);
  EXPECT_THROW(gap_cells(1.0), std::domain_error);
}

TEST(GapCounts, AreTheDistancesOfTheFirstPlannedEvents) {
  std::mt19937_64 engine(1);
  for (const double p : {0.5, 0.1, 0.8, 0.03})
    for (const std::uint64_t n : {1u, 63u, 2000u, 4096u, 30001u, 200000u}) {
      const Bits bits = drawn(n, p, engine);
      GapCounts counts(p);
      counts.add(bits.chunk(p));
      std::vector<std::uint64_t> expected(gap_cells(std::min(p, 1 - p)), 0);
      std::uint64_t left = planned_gaps(n, std::min(p, 1 - p)), last = 0;
      for (std::uint64_t i = 0; i < n && left > 0; ++i) {
        if (bits.at(i) != (p <= 0.5)) continue;
        ++expected[std::min<std::uint64_t>(i + 1 - last, expected.size()) - 1];
        last = i + 1;
        --left;
      }
      EXPECT_EQ(counts.histogram(), expected) << p << ' ' << n;
      EXPECT_EQ(counts.total(), planned_gaps(n, std::min(p, 1 - p)));
      EXPECT_EQ(counts.missing(), 0u);
    }
}

TEST(GapCounts, CountWhatAChunkFailsToHoldAsTooLong) {
  Bits bits(65536);
  bits.drop(9);
  GapCounts counts(0.1);
  counts.add(bits.chunk(0.1));
  EXPECT_EQ(counts.missing(), planned_gaps(65536, 0.1) - 1);
  EXPECT_EQ(counts.histogram()[9], 1u);
  EXPECT_EQ(counts.histogram().back(), counts.missing());
  EXPECT_EQ(std::accumulate(counts.histogram().begin(), counts.histogram().end(), std::uint64_t{0}),
            counts.total());
}

TEST(GapCounts, ArePlannedWithTheRateThatABackendDeclares) {
  // p = 1/2 was asked for and 0.52 declared: still gaps between drops, and as many as that rate gives.
  std::mt19937_64 engine(5);
  GapCounts counts(0.5);
  counts.add(drawn(60000, 0.52, engine).chunk(0.52));
  EXPECT_TRUE(counts.between_drops());
  EXPECT_EQ(counts.total(), planned_gaps(60000, 0.52));
  EXPECT_EQ(counts.missing(), 0u);
  EXPECT_GT(gap_test(counts, 0.52)->tail.p_value, 1e-4);
  EXPECT_LT(gap_test(counts, 0.5)->tail.p_value, 1e-4);
}

TEST(GapCounts, MergeByAddition) {
  std::mt19937_64 engine(2);
  const Bits a = drawn(50000, 0.2, engine), b = drawn(7000, 0.2, engine), c = drawn(30, 0.2, engine);
  GapCounts all(0.2), left(0.2), right(0.2);
  for (const Bits* bits : {&a, &b, &c}) all.add(bits->chunk(0.2));
  right.add(c.chunk(0.2));
  right.add(b.chunk(0.2));
  left.add(a.chunk(0.2));
  right.merge(left);
  EXPECT_EQ(right.histogram(), all.histogram());
  EXPECT_EQ(right.total(), all.total());
  EXPECT_THROW(right.merge(GapCounts(0.3)), std::domain_error);
}

TEST(GapTest, RejectsIndependentDropsNoMoreOftenThanItsLevel) {
  std::mt19937_64 engine(3);
  for (const double p : {0.5, 0.1, 0.7}) {
    std::uint64_t rejected = 0;
    constexpr std::uint64_t kTrials = 200;
    for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
      GapCounts counts(p);
      for (int i = 0; i < 2; ++i) counts.add(drawn(50000, p, engine).chunk(p));
      const auto test = gap_test(counts, p);
      ASSERT_TRUE(test);
      EXPECT_EQ(test->degrees_of_freedom, *gap_degrees_of_freedom(counts.total(), p));
      if (test->tail.p_value <= 0.05) ++rejected;
    }
    EXPECT_GT(binomial_upper_tail(kTrials, rejected, 0.05), 1e-6) << p;
    EXPECT_GT(binomial_lower_tail(kTrials, rejected, 0.05), 1e-6) << p;
  }
}

TEST(GapTest, WouldBeBiasedWithoutAFixedNumberOfGaps) {
  // All gaps that end inside 64 entries, at p = 1/10: long ones are cut off. This is what the plan avoids.
  double expected = 0, ended = 0;
  const std::vector<double> law = gap_law(0.1, 60);
  for (std::uint64_t start = 0; start < 64; ++start)
    for (std::uint64_t g = 1; g < 60 && start + g <= 64; ++g) {
      const double here = (start == 0 ? 1.0 : 0.1) * law[g - 1];
      ended += here;
      expected += here * static_cast<double>(g);
    }
  EXPECT_LT(expected / ended, 9);  // instead of 10
}

TEST(GapTest, CatchesAGeneratorThatAvoidsADistance) {
  std::mt19937_64 engine(4);
  GapCounts counts(0.1);
  for (int i = 0; i < 8; ++i) {
    Bits bits = drawn(100000, 0.1, engine);
    std::uint64_t last = 0;
    for (std::uint64_t t = 0; t < bits.size; ++t) {
      if (!bits.at(t)) continue;
      if (t - last == 5 && t + 1 < bits.size) {  // moves on by one
        bits.words[t / 64] ^= std::uint64_t{1} << (t % 64);
        bits.drop(t + 1);
        continue;
      }
      last = t;
    }
    counts.add(bits.chunk(0.1));
  }
  EXPECT_LT(gap_test(counts, 0.1)->tail.p_value, 1e-30);
}

TEST(GapTest, IsLeftOutWhereCellsExpectTooLittle) {
  GapCounts counts(0.1);
  counts.add(Bits(20000).chunk(0.1));
  EXPECT_LT(counts.total(), 2000u);
  EXPECT_FALSE(gap_test(counts, 0.1));
  EXPECT_FALSE(gap_degrees_of_freedom(1500, 0.1));
  EXPECT_TRUE(std::isinf(gap_min_effect(1500, 1e-9, 1e-6, 0.1)));
}

TEST(GapMinEffect, IsCaughtAsOftenAsItSays) {
  constexpr std::uint64_t kGaps = 20000, kTrials = 500;
  constexpr double kAlpha = 1e-3, kMiss = 0.1, p = 0.3;
  const double w = gap_min_effect(kGaps, kAlpha, kMiss, p);
  // Odd gaps of 1 to 4 gain what even ones lose, in proportion: sum (p' - p)^2 / p = e^2 (their mass).
  std::vector<double> law = gap_law(p, gap_cells(p));
  const double mass = law[0] + law[1] + law[2] + law[3];
  const double odd = law[0] + law[2], even = law[1] + law[3];
  const double e = w / std::sqrt(odd + odd * odd / even);
  ASSERT_LT(e * odd / even, 1) << mass;
  for (const std::size_t g : {0u, 2u}) law[g] *= 1 + e;
  for (const std::size_t g : {1u, 3u}) law[g] *= 1 - e * odd / even;
  std::mt19937_64 engine(8);
  std::discrete_distribution<std::size_t> draw(law.begin(), law.end());
  std::uint64_t caught = 0;
  for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
    std::vector<std::uint64_t> histogram(law.size(), 0);
    for (std::uint64_t i = 0; i < kGaps; ++i) ++histogram[draw(engine)];
    const auto test = pooled_chi_squared(histogram, gap_law(p, law.size()), kGapMinimumExpected);
    if (test->tail.p_value <= kAlpha) ++caught;
  }
  EXPECT_GT(binomial_lower_tail(kTrials, caught, 1 - kMiss), 1e-6) << caught;
}

TEST(GapMinSamples, IsTheOtherWayRound) {
  for (const double p : {0.1, 0.5}) {
    const std::uint64_t gaps = gap_min_samples(0.01, 1e-9, 1e-6, p);
    EXPECT_LE(gap_min_effect(gaps, 1e-9, 1e-6, p), 0.01);
    EXPECT_GT(gap_min_effect(gaps - gaps / 40, 1e-9, 1e-6, p), 0.01);
  }
  EXPECT_EQ(gap_min_samples(1e-9, 1e-9, 1e-6, 0.1), std::numeric_limits<std::uint64_t>::max());
}

}  // namespace
}  // namespace dropcheck::stats
