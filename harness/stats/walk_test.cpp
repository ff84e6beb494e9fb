#include "harness/stats/walk.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <limits>
#include <numbers>
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
  bool at(std::uint64_t i) const { return (words[i / 64] >> (i % 64) & 1) != 0; }
  Chunk chunk(double p) const { return {words, size, Order::logical, 0, 0, p}; }
};

template <typename Rate>
Bits drawn(std::uint64_t n, std::mt19937_64& engine, Rate rate) {
  Bits bits(n);
  for (std::uint64_t i = 0; i < n; ++i)
    if (static_cast<double>(engine() >> 11) * 0x1p-53 < rate(i))
      bits.words[i / 64] |= std::uint64_t{1} << (i % 64);
  return bits;
}

TEST(WalkState, IsTheWalkAtEvery64thEntryAndAtTheEndsOfChunks) {
  std::mt19937_64 engine(1);
  for (const double p : {0.5, 0.1, 0.97}) {
    WalkState walk;
    double at = 0, highest = 0, lowest = 0;
    std::uint64_t entries = 0;
    for (const std::uint64_t n : {1u, 64u, 65u, 63u, 1000u, 70000u, 128u}) {
      const Bits bits = drawn(n, engine, [&](std::uint64_t) { return p; });
      walk.add(bits.chunk(p));
      for (std::uint64_t i = 0; i < n; ++i) {
        at += (bits.at(i) ? 1 : 0) - p;
        if (i % 64 == 63 || i + 1 == n) {
          highest = std::max(highest, at);
          lowest = std::min(lowest, at);
        }
      }
      entries += n;
      EXPECT_NEAR(to_double(walk.sum()) * WalkState::kUnit, at, 1e-8);
      EXPECT_NEAR(to_double(walk.highest()) * WalkState::kUnit, highest, 1e-8);
      EXPECT_NEAR(to_double(walk.lowest()) * WalkState::kUnit, lowest, 1e-8);
      EXPECT_EQ(walk.entries(), entries);
    }
  }
}

TEST(WalkState, FitsItsIntegersAtBothEnds) {
  for (const double p : {1e-12, 1 - 1e-12}) {
    Bits full(kChunkBits);
    for (auto& word : full.words) word = ~std::uint64_t{0};
    const Bits empty(kChunkBits);
    WalkState walk;
    walk.add(full.chunk(p));
    walk.add(empty.chunk(p));
    EXPECT_NEAR(to_double(walk.highest()) * WalkState::kUnit, static_cast<double>(kChunkBits) * (1 - p),
                1e-3);
    EXPECT_NEAR(to_double(walk.sum()) * WalkState::kUnit, static_cast<double>(kChunkBits) * (1 - 2 * p),
                1e-3);
  }
}

TEST(WalkState, AppendsAssociatively) {
  std::mt19937_64 engine(2);
  std::vector<Bits> chunks;
  for (const std::uint64_t n : {500u, 64u, 3000u, 1u, 900u, 128u})
    chunks.push_back(drawn(n, engine, [](std::uint64_t i) { return i < 300 ? 0.6 : 0.1; }));
  WalkState all;
  for (const Bits& bits : chunks) all.add(bits.chunk(0.3));
  for (std::size_t cut = 0; cut <= chunks.size(); ++cut) {
    WalkState left, right;
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      WalkState one;
      one.add(chunks[i].chunk(0.3));
      (i < cut ? left : right).append(one);
    }
    left.append(right);
    EXPECT_EQ(left.sum(), all.sum());
    EXPECT_EQ(left.highest(), all.highest());
    EXPECT_EQ(left.lowest(), all.lowest());
    EXPECT_EQ(left.entries(), all.entries());
  }
  WalkState other;
  other.add(chunks[0].chunk(0.4));
  EXPECT_THROW(all.append(other), std::domain_error);
  EXPECT_THROW(all.add(chunks[0].chunk(0.4)), std::domain_error);
}

// The law of the largest |W|, looked at every 64th entry: mass that leaves the band, added up step by step.
double exact_crossing(std::uint64_t n, double p, double distance) {
  std::vector<double> step;
  for (std::uint64_t c = 0; c <= 64; ++c) {
    const double x = static_cast<double>(c);
    const double f = std::exp(std::lgamma(65.0) - std::lgamma(x + 1) - std::lgamma(65 - x) + x * std::log(p) +
                              (64 - x) * std::log1p(-p));
    if (f > 1e-25) step.push_back(f);
    else if (c > 32) break;
    else step.push_back(0);
  }
  std::vector<double> inside = {1.0}, next;
  std::int64_t first = 0;  // drops that inside[0] stands for
  double left = 0;
  for (std::uint64_t t = 64; t <= n; t += 64) {
    next.assign(inside.size() + step.size() - 1, 0.0);
    for (std::size_t i = 0; i < inside.size(); ++i)
      for (std::size_t j = 0; j < step.size(); ++j) next[i + j] += inside[i] * step[j];
    const double mean = static_cast<double>(t) * p;
    std::size_t begin = next.size(), end = 0;
    for (std::size_t i = 0; i < next.size(); ++i) {
      const double drops = static_cast<double>(first + static_cast<std::int64_t>(i));
      if (std::abs(drops - mean) >= distance) {
        left += next[i];
      } else {
        begin = std::min(begin, i);
        end = i + 1;
      }
    }
    inside.assign(next.begin() + static_cast<std::ptrdiff_t>(begin),
                  next.begin() + static_cast<std::ptrdiff_t>(end));
    first += static_cast<std::int64_t>(begin);
  }
  return left;
}

struct Crossing {
  std::uint64_t n;
  double p;
  bool valid;
};

class WalkTail : public ::testing::TestWithParam<Crossing> {};

TEST_P(WalkTail, IsNearTheExactLawExactlyWhereItIsDeclaredValid) {
  const auto [n, p, valid] = GetParam();
  EXPECT_EQ(walk_is_valid(n, p), valid);
  double largest = 0;
  for (const double x : {3.7, 5.3, 6.25, 7.3}) {
    const double ratio = exact_crossing(n, p, x * std::sqrt(static_cast<double>(n) * p * (1 - p))) /
                         reflection_tail(x).p_value;
    largest = std::max(largest, ratio);
    EXPECT_GT(ratio, 0.7) << x;
    EXPECT_LT(ratio, valid ? 1.07 : 10) << x;
  }
  EXPECT_EQ(largest > 1.07, !valid) << largest;
}

INSTANTIATE_TEST_SUITE_P(Sizes, WalkTail,
                         ::testing::Values(Crossing{1 << 14, 0.5, true}, Crossing{1 << 15, 0.3, true},
                                           Crossing{1 << 18, 0.1, true}, Crossing{1 << 14, 0.1, false},
                                           Crossing{1 << 16, 0.03, false}));

TEST(ReflectionTail, AgreesWithPublishedFigures) {
  EXPECT_NEAR(reflection_tail(6.2191).p_value, 1e-9, 2e-13);
  // The two series agree where they meet, and small distances are certain.
  EXPECT_NEAR(reflection_tail(1 - 1e-12).p_value, reflection_tail(1).p_value, 1e-11);
  EXPECT_NEAR(reflection_tail(0.3).p_value,
              1 - 4 / std::numbers::pi * std::exp(-std::numbers::pi * std::numbers::pi / 0.72), 1e-9);
  EXPECT_EQ(reflection_tail(0).p_value, 1.0);
  double last = 1.0;
  for (double x = 0.05; x < 45; x += 0.05) {
    const Tail tail = reflection_tail(x);
    EXPECT_LE(tail.log10_p, last);
    EXPECT_TRUE(std::isfinite(tail.log10_p));
    last = tail.log10_p;
  }
  EXPECT_NEAR(reflection_tail(100).log10_p, -2171 - 2.1, 1);
  EXPECT_THROW(reflection_tail(-1), std::domain_error);
}

TEST(WalkTest, RejectsIndependentDropsNoMoreOftenThanItsLevel) {
  std::mt19937_64 engine(3);
  std::uint64_t rejected = 0;
  for (int trial = 0; trial < 300; ++trial) {
    WalkState walk;
    Bits bits(1 << 14);
    for (auto& word : bits.words) word = engine();
    walk.add(bits.chunk(0.5));
    if (walk_test(walk).tail.p_value <= 0.05) ++rejected;
  }
  EXPECT_GT(binomial_upper_tail(300, rejected, 0.05), 1e-6);
  EXPECT_GT(binomial_lower_tail(300, rejected, 0.05), 1e-6);
}

TEST(WalkMinEffect, IsCaughtAsOftenAsItSays) {
  constexpr std::uint64_t n = 1 << 14, kTrials = 400;
  constexpr double kAlpha = 1e-4, kMiss = 0.1;
  const double d = walk_min_effect(n, kAlpha, kMiss, 0.5);
  std::mt19937_64 engine(4);
  std::uint64_t caught = 0;
  double step = 0;
  for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
    WalkState walk;
    walk.add(drawn(n, engine, [&](std::uint64_t i) { return i < n / 2 ? 0.5 + d : 0.5 - d; }).chunk(0.5));
    const WalkTest test = walk_test(walk);
    step += test.step / kTrials;
    if (test.tail.p_value <= kAlpha) ++caught;
  }
  EXPECT_GT(binomial_lower_tail(kTrials, caught, 1 - kMiss), 1e-6) << caught;
  EXPECT_NEAR(step / d, 1, 0.2);
}

TEST(WalkMinEffect, IsTheFormulaAndItsInverse) {
  const double d = walk_min_effect(std::uint64_t{1} << 26, 1e-9, 1e-6, 0.1);
  EXPECT_NEAR(d, 2 * 0.3 * (6.2191 + 4.7534 / std::numbers::sqrt2) / 8192, 1e-7);
  const std::uint64_t n = walk_min_samples(d, 1e-9, 1e-6, 0.1);
  EXPECT_NEAR(static_cast<double>(n), 0x1p26, 2);
  EXPECT_TRUE(std::isinf(walk_min_effect(1000, 1e-9, 1e-6, 0.1)));
  EXPECT_EQ(walk_min_samples(1e-9, 1e-9, 1e-6, 0.5), std::numeric_limits<std::uint64_t>::max());
  EXPECT_GE(walk_min_samples(0.4, 0.1, 0.1, 0.5), 1u << 14);
}

TEST(WalkTest, RefusesShortWalks) {
  WalkState walk;
  EXPECT_THROW(walk_test(walk), std::domain_error);
  walk.add(Bits(1000).chunk(0.5));
  EXPECT_THROW(walk_test(walk), std::domain_error);
  EXPECT_THROW(WalkState().add(Bits(10).chunk(0.0)), std::domain_error);
}

}  // namespace
}  // namespace dropcheck::stats
