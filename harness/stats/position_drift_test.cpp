#include "harness/stats/position_drift.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
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
  Chunk chunk(std::uint64_t block, std::uint64_t index) const {
    return {words, size, Order::logical, block, index, 0.5};
  }
};

template <typename Rate>
Bits drawn(std::uint64_t n, std::mt19937_64& engine, Rate rate) {
  Bits bits(n);
  for (std::uint64_t i = 0; i < n; ++i)
    if (static_cast<double>(engine() >> 11) * 0x1p-53 < rate(i)) bits.drop(i);
  return bits;
}

TEST(SegmentPlan, CutsASampleIntoAtMost1024EqualParts) {
  EXPECT_EQ(SegmentPlan(1, kChunkBits).segments(), 1024u);
  EXPECT_EQ(SegmentPlan(4096, kChunkBits).segments(), 1024u);
  EXPECT_EQ(SegmentPlan(1, 1).segments(), 1u);
  EXPECT_EQ(SegmentPlan(3, 64 * 5 + 1).segments(), 18u);
  for (const std::uint64_t entries : {1u, 1000u, 65537u, 3000000u})
    for (const std::uint64_t blocks : {1u, 3u, 1000u}) {
      const SegmentPlan plan(blocks, entries);
      EXPECT_LE(plan.segments(), 1024u);
      Chunk last;
      last.block = blocks - 1;
      last.index = (entries - 1) / kChunkBits;
      EXPECT_EQ(plan.segment_of(last, (entries - 1) % kChunkBits / 64), plan.segments() - 1);
    }
  EXPECT_THROW(SegmentPlan(1, 0), std::domain_error);
}

TEST(SegmentCounts, AddUpWhateverTheChunksAndInAnyOrder) {
  std::mt19937_64 engine(1);
  const std::uint64_t blocks = 3, entries = kChunkBits + 100001;
  const SegmentPlan plan(blocks, entries);
  std::vector<std::uint64_t> drops(plan.segments(), 0), trials(plan.segments(), 0);
  SegmentCounts forwards(plan), backwards(plan);
  std::vector<SegmentCounts> parts;
  for (std::uint64_t block = 0; block < blocks; ++block)
    for (std::uint64_t index = 0; index < 2; ++index) {
      const Bits bits = drawn(index == 0 ? kChunkBits : 100001, engine,
                              [](std::uint64_t i) { return i % 7 == 0 ? 0.5 : 0.1; });
      const Chunk chunk = bits.chunk(block, index);
      for (std::uint64_t i = 0; i < bits.size; ++i) {
        ++trials[plan.segment_of(chunk, i / 64)];
        drops[plan.segment_of(chunk, i / 64)] += bits.at(i) ? 1u : 0u;
      }
      forwards.add(chunk);
      parts.emplace_back(plan);
      parts.back().add(chunk);
    }
  for (std::size_t i = parts.size(); i-- > 0;) backwards.merge(parts[i]);
  for (const SegmentCounts* counts : {&forwards, &backwards}) {
    EXPECT_EQ(counts->drops(), drops);
    EXPECT_EQ(counts->entries(), trials);
  }
  EXPECT_THROW(forwards.merge(SegmentCounts(SegmentPlan(2, 64))), std::domain_error);
}

SegmentCounts counts_of(const std::vector<std::uint64_t>& drops_per_word) {
  const SegmentPlan plan(1, 64 * drops_per_word.size());
  SegmentCounts counts(plan);
  Bits bits(64 * drops_per_word.size());
  for (std::size_t w = 0; w < drops_per_word.size(); ++w)
    for (std::uint64_t i = 0; i < drops_per_word[w]; ++i) bits.drop(64 * w + i);
  counts.add(bits.chunk(0, 0));
  return counts;
}

TEST(PositionDriftTest, IsTheLargestDistanceFromAnEvenSpread) {
  std::vector<std::uint64_t> drops(400, 10);
  for (std::size_t w = 0; w < 100; ++w) drops[w] = 12;
  const auto test = position_drift_test(counts_of(drops));
  ASSERT_TRUE(test);
  const double total = 4200, n = 25600, furthest = 1200 - total / 4;
  EXPECT_NEAR(test->statistic, furthest / std::sqrt(total * (n - total) / n), 1e-12);
  EXPECT_EQ(test->segment, 99u);
  EXPECT_NEAR(test->step, 2 * furthest / n, 1e-15);
}

TEST(PositionDriftTest, DoesNotMindAWrongRate) {
  std::mt19937_64 engine(2);
  for (const double p : {0.1, 0.5, 0.97}) {
    std::uint64_t rejected = 0;
    for (int trial = 0; trial < 100; ++trial) {
      SegmentCounts counts(SegmentPlan(1, 65536));
      counts.add(drawn(65536, engine, [&](std::uint64_t) { return p; }).chunk(0, 0));
      const auto test = position_drift_test(counts);
      ASSERT_TRUE(test);
      if (test->tail.p_value <= 0.05) ++rejected;
    }
    EXPECT_GT(binomial_upper_tail(100, rejected, 0.05), 1e-6) << p;
    EXPECT_GT(binomial_lower_tail(100, rejected, 0.03), 1e-6) << p;
  }
}

TEST(PositionDriftTest, IsLeftOutWhereThereIsNothingToLookAt) {
  EXPECT_FALSE(position_drift_test(counts_of({64, 0})));
  EXPECT_FALSE(position_drift_test(counts_of(std::vector<std::uint64_t>(1000, 0))));
  EXPECT_FALSE(position_drift_test(counts_of(std::vector<std::uint64_t>(1000, 64))));
  EXPECT_FALSE(position_drift_test(SegmentCounts(SegmentPlan(4, 100000))));
}

double binomial_probability(double n, double x, double p) {
  if (x < 0 || x > n) return 0;
  return std::exp(std::lgamma(n + 1) - std::lgamma(x + 1) - std::lgamma(n - x + 1) + x * std::log(p) +
                  (n - x) * std::log1p(-p));
}

// The law of the largest deviation at the ends of segments, given the total: paths of binomial segments that
// leave the band, each weighted with the probability that it ends at the total all the same.
double exact_deviation(std::uint64_t segments, std::uint64_t entries, std::uint64_t total, double distance) {
  const auto n = static_cast<double>(segments * entries), k = static_cast<double>(total);
  const double p = k / n;
  std::vector<double> step;
  for (std::uint64_t c = 0; c <= entries; ++c)
    step.push_back(binomial_probability(static_cast<double>(entries), static_cast<double>(c), p));
  while (step.back() < 1e-40) step.pop_back();
  std::vector<double> inside = {1.0}, next;
  double left = 0, first = 0;
  for (std::uint64_t j = 1; j < segments; ++j) {
    next.assign(inside.size() + step.size() - 1, 0.0);
    for (std::size_t i = 0; i < inside.size(); ++i)
      for (std::size_t c = 0; c < step.size(); ++c) next[i + c] += inside[i] * step[c];
    const double share = static_cast<double>(j) / static_cast<double>(segments);
    std::size_t begin = next.size(), end = 0;
    for (std::size_t i = 0; i < next.size(); ++i) {
      const double drops = first + static_cast<double>(i);
      if (std::abs(drops - k * share) >= distance) {
        left += next[i] * binomial_probability(n * (1 - share), k - drops, p);
      } else {
        begin = std::min(begin, i);
        end = i + 1;
      }
    }
    inside.assign(next.begin() + static_cast<std::ptrdiff_t>(begin),
                  next.begin() + static_cast<std::ptrdiff_t>(end));
    first += static_cast<double>(begin);
  }
  return left / binomial_probability(n, k, p);
}

TEST(BridgeTail, IsNeverBelowTheExactLawAtTheEndsOfSegments) {
  struct Case {
    std::uint64_t segments, entries, total;
  };
  for (const Case& c : {Case{1024, 64, 6554}, Case{1024, 64, 32768}, Case{1024, 64, 1100},
                        Case{256, 64, 1638}, Case{1024, 64, 65536 - 1300}}) {
    const auto n = static_cast<double>(c.segments * c.entries), k = static_cast<double>(c.total);
    const double variance = k * (n - k) / n;
    ASSERT_GE(variance, kPositionMinimumVariance);
    for (const double x : {1.9, 2.7, 3.272, 3.8}) {
      const double ratio =
          exact_deviation(c.segments, c.entries, c.total, x * std::sqrt(variance)) / bridge_tail(x).p_value;
      EXPECT_LT(ratio, 1) << x;
      EXPECT_GT(ratio, c.segments == 1024 ? 0.6 : 0.4) << x;
    }
  }
}

TEST(BridgeTail, AgreesWithPublishedFigures) {
  EXPECT_NEAR(bridge_tail(3.272).p_value, 1e-9, 1e-11);
  EXPECT_NEAR(bridge_tail(1.3581).p_value, 0.05, 1e-5);
  EXPECT_NEAR(bridge_tail(1.6276).p_value, 0.01, 1e-5);
  EXPECT_NEAR(bridge_tail(0.5 - 1e-12).p_value, bridge_tail(0.5).p_value, 1e-11);
  EXPECT_EQ(bridge_tail(0).p_value, 1.0);
  double last = 0.0;
  for (double x = 0.02; x < 30; x += 0.02) {
    EXPECT_LE(bridge_tail(x).log10_p, last);
    last = bridge_tail(x).log10_p;
  }
  EXPECT_NEAR(bridge_tail(100).log10_p, 0.30103 - 20000 * 0.4342944819, 1e-4);
}

TEST(PositionDriftMinEffect, IsCaughtAsOftenAsItSays) {
  constexpr std::uint64_t n = 1 << 16, kTrials = 200;
  constexpr double kAlpha = 1e-4, kMiss = 0.1, p = 0.3;
  const SegmentPlan plan(1, n);
  const double d = position_drift_min_effect(n, plan.segments(), kAlpha, kMiss, p);
  std::mt19937_64 engine(4);
  std::uint64_t caught = 0;
  for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
    SegmentCounts counts(plan);
    counts.add(drawn(n, engine, [&](std::uint64_t i) { return i < n / 2 ? p + d : p - d; }).chunk(0, 0));
    if (position_drift_test(counts)->tail.p_value <= kAlpha) ++caught;
  }
  EXPECT_GT(binomial_lower_tail(kTrials, caught, 1 - kMiss), 1e-6) << caught;
}

TEST(PositionDriftMinEffect, IsTheFormulaAndItsInverse) {
  const double d = position_drift_min_effect(std::uint64_t{1} << 26, 1024, 1e-9, 1e-6, 0.1);
  EXPECT_NEAR(d, 2 * 0.3 * (3.272 + 4.7534 / 2) / 8192 * 1024 / 1023, 1e-7);
  EXPECT_NEAR(static_cast<double>(position_drift_min_samples(d, 1024, 1e-9, 1e-6, 0.1)), 0x1p26, 2);
  EXPECT_TRUE(std::isinf(position_drift_min_effect(10000, 157, 1e-9, 1e-6, 0.1)));
  EXPECT_EQ(position_drift_min_samples(1e-9, 1024, 1e-9, 1e-6, 0.1),
            std::numeric_limits<std::uint64_t>::max());
}

}  // namespace
}  // namespace dropcheck::stats
