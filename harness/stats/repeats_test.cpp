#include "harness/stats/repeats.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <tuple>

#include "harness/stats/binomial.hpp"

namespace dropcheck::stats {
namespace {

struct Stream {
  explicit Stream(std::uint64_t bits) : size(bits), words((bits + 63) / 64, 0) {}
  Stream(std::uint64_t bits, double p, std::uint64_t seed) : Stream(bits) {
    std::mt19937_64 engine(seed);
    for (std::uint64_t t = 0; t < bits; ++t) put(t, static_cast<double>(engine() >> 11) * 0x1p-53 < p);
  }
  bool at(std::uint64_t t) const { return ((words[t / 64] >> (t % 64)) & 1u) != 0; }
  void put(std::uint64_t t, bool drop) {
    words[t / 64] = (words[t / 64] & ~(std::uint64_t{1} << (t % 64))) | (std::uint64_t{drop} << (t % 64));
  }
  Chunk chunk(std::uint64_t block = 0, std::uint64_t index = 0, Order order = Order::logical) const {
    return {words, size, order, block, index, 0};
  }
  std::uint64_t size;
  std::vector<std::uint64_t> words;
};

RepeatPlan small_plan(std::uint64_t rare, std::uint64_t common, std::uint64_t window,
                      bool rare_is_drop = true) {
  RepeatPlan plan;
  plan.rare = rare;
  plan.common = common;
  plan.window = window;
  plan.rare_is_drop = rare_is_drop;
  return plan;
}

TEST(RepeatPlan, WindowsAreThoseOfTheUnionBound) {
  for (const auto& [log2_n, p, window] :
       std::vector<std::tuple<int, double, std::uint64_t>>{{24, 0.1, 304},
                                                           {30, 0.1, 346},
                                                           {34, 0.1, 374},
                                                           {24, 0.5, 87},
                                                           {30, 0.5, 99},
                                                           {34, 0.5, 107},
                                                           {24, 0.01, 3016},
                                                           {30, 0.01, 3432},
                                                           {34, 0.01, 3709},
                                                           {24, 0.9, 304}}) {
    const auto plan = plan_repeats(std::uint64_t{1} << log2_n, kChunkBits, p);
    ASSERT_TRUE(plan) << log2_n << " " << p;
    EXPECT_EQ(plan->window, window) << log2_n << " " << p;
    EXPECT_LE(plan->chance, kChanceRepeats);
    EXPECT_EQ(plan->rare_is_drop, p <= 0.5);
    EXPECT_LE(plan->anchor_probability, 0x1p-11 * (1 + 1e-9));
    EXPECT_GE(plan->anchor_probability, 0x1p-12 * (1 - 1e-9));
    EXPECT_LE(plan->kept_share * plan->anchor_probability * std::ldexp(1.0, log2_n), 0x1p18 * (1 + 1e-9));
  }
}

TEST(RepeatPlan, SmallSamplesGetMoreAnchors) {
  const auto small = plan_repeats(1 << 16, 1 << 16, 0.3), large = plan_repeats(1 << 26, kChunkBits, 0.3);
  ASSERT_TRUE(small && large);
  EXPECT_GT(small->anchor_probability, 0.03);
  EXPECT_LT(shortest_repeat(*small, 1e-9), shortest_repeat(*large, 1e-9));
  EXPECT_EQ(small->kept_share, 1);
}

TEST(RepeatPlan, IsAbsentWhereNoWindowFits) {
  EXPECT_FALSE(plan_repeats(1 << 20, kChunkBits, 1e-6));
  EXPECT_FALSE(plan_repeats(1 << 20, kChunkBits, 1 - 1e-6));
  EXPECT_FALSE(plan_repeats(150, 150, 0.1));
  EXPECT_FALSE(plan_repeats(1, 1, 0.5));
  EXPECT_FALSE(plan_repeats(0, 0, 0.5));
  EXPECT_TRUE(plan_repeats(1 << 20, kChunkBits, 0.001));
  EXPECT_THROW(plan_repeats(1 << 20, kChunkBits, 0.0), std::domain_error);
}

TEST(RepeatPlan, EveryRateGivesAPlanThatKeepsItsPromise) {
  for (const double p : {1e-4, 0.001, 0.02, 0.2, 0.45, 0.499, 0.5, 0.6, 0.8, 0.95, 0.999}) {
    for (const int log2_n : {14, 17, 20, 27, 36, 44}) {
      const std::uint64_t n = std::uint64_t{1} << log2_n;
      const auto plan = plan_repeats(n, std::min(n, kChunkBits), p);
      if (!plan) continue;
      const double rare = std::min(p, 1 - p);
      EXPECT_NEAR(plan->anchor_probability / (std::pow(rare, static_cast<double>(plan->rare)) *
                                              std::pow(1 - rare, static_cast<double>(plan->common))),
                  1, 1e-9);
      EXPECT_LE(repeat_chance(*plan, n, p), kChanceRepeats);
      EXPECT_LE(plan->window + plan->anchor_bits(), kChunkBits);
      EXPECT_GT(shortest_repeat(*plan, 1e-6), plan->window);
    }
  }
}

/// P(pattern and window occur at 0 and again at `s`), over all strings.
double probability_of_both(const RepeatPlan& plan, std::uint64_t s, double p) {
  const std::uint64_t block = plan.anchor_bits() + plan.window, bits = block + s;
  double sum = 0;
  for (std::uint64_t x = 0; x < std::uint64_t{1} << bits; ++x) {
    bool match = true;
    for (std::uint64_t i = 0; i < block && match; ++i) match = ((x >> i) & 1u) == ((x >> (i + s)) & 1u);
    for (std::uint64_t i = 0; i < plan.anchor_bits() && match; ++i)
      match = (((x >> i) & 1u) != 0) == ((i < plan.rare) == plan.rare_is_drop);
    if (!match) continue;
    const int drops = __builtin_popcountll(x);
    sum += std::pow(p, drops) * std::pow(1 - p, static_cast<int>(bits) - drops);
  }
  return sum;
}

TEST(RepeatChance, IsTheSumOfEnumeratedProbabilities) {
  for (const auto& [rare, common, window, rare_is_drop] :
       std::vector<std::tuple<std::uint64_t, std::uint64_t, std::uint64_t, bool>>{
           {1, 1, 3, true}, {1, 2, 4, true}, {2, 1, 4, true}, {2, 2, 3, false}, {1, 1, 5, false}}) {
    const RepeatPlan plan = small_plan(rare, common, window, rare_is_drop);
    const std::uint64_t apart = plan.anchor_bits() + plan.window;
    for (const double p : {0.1, 0.5, 0.7}) {
      for (std::uint64_t s = 1; s < plan.anchor_bits(); ++s)
        EXPECT_EQ(probability_of_both(plan, s, p), 0) << "anchors do not overlap";
      double overlapping = 0;
      for (std::uint64_t s = plan.anchor_bits(); s < apart; ++s)
        overlapping += probability_of_both(plan, s, p);
      const double n = 1e6;
      const double expected = n * overlapping + n * n / 2 * probability_of_both(plan, apart, p);
      EXPECT_NEAR(repeat_chance(plan, 1000000, p) / expected, 1, 1e-9)
          << rare << common << window << " " << p;
    }
  }
}

TEST(RepeatChance, BoundsTheTrueExpectationOfSmallMasks) {
  const RepeatPlan plan = small_plan(1, 1, 3);
  const std::uint64_t n = 14;
  for (const double p : {0.2, 0.5}) {
    double expected = 0;
    for (std::uint64_t x = 0; x < std::uint64_t{1} << n; ++x) {
      std::map<std::uint64_t, int> seen;
      int repeats = 0;
      for (std::uint64_t t = 0; t + 5 <= n; ++t)
        if (((x >> t) & 3u) == 1u) repeats += seen[(x >> (t + 2)) & 7u]++ > 0 ? 1 : 0;
      const int drops = __builtin_popcountll(x);
      expected += repeats * std::pow(p, drops) * std::pow(1 - p, 14 - drops);
    }
    EXPECT_LE(expected, repeat_chance(plan, n, p));
    EXPECT_GE(expected, 0.15 * repeat_chance(plan, n, p));
  }
}

TEST(RepeatChance, LosesAllMeaningAtOtherRates) {
  const auto plan = plan_repeats(1 << 20, kChunkBits, 0.5);
  ASSERT_TRUE(plan);
  EXPECT_GT(repeat_chance(*plan, 1 << 20, 0.05), 1);  // far too few drops for windows of this length
  EXPECT_EQ(repeat_chance(*plan, 1 << 20, 0.0), 0);
  EXPECT_EQ(repeat_chance(*plan, 1 << 20, 1.0), 0);
}

/// What the finder must know, by text comparison.
struct Slow {
  std::uint64_t anchors = 0;
  std::map<std::string, std::vector<RepeatPosition>> windows;

  void add(const RepeatPlan& plan, const Stream& stream, std::uint64_t block, std::uint64_t index,
           Order order) {
    const std::uint64_t anchor = plan.anchor_bits();
    for (std::uint64_t t = 0; t + anchor + plan.window <= stream.size; ++t) {
      bool match = true;
      for (std::uint64_t i = 0; i < anchor; ++i)
        match = match && stream.at(t + i) == ((i < plan.rare) == plan.rare_is_drop);
      if (!match) continue;
      ++anchors;
      std::string text = order == Order::logical ? "l" : "m";
      for (std::uint64_t i = 0; i < plan.window; ++i) text += stream.at(t + anchor + i) ? '1' : '0';
      windows[text].push_back({block, index * kChunkBits + t, order});
    }
  }
  std::uint64_t repeated() const {
    std::uint64_t sum = 0;
    for (const auto& [text, positions] : windows) sum += positions.size() - 1;
    return sum;
  }
};

TEST(RepeatFinder, SeesWhatATextSearchSees) {
  for (const auto& [plan, p] :
       std::vector<std::pair<RepeatPlan, double>>{{small_plan(1, 1, 6), 0.3},
                                                  {small_plan(3, 2, 9), 0.5},
                                                  {small_plan(1, 5, 64), 0.2},
                                                  {small_plan(2, 1, 70), 0.4},
                                                  {small_plan(1, 30, 130), 0.06},
                                                  {small_plan(1, 90, 20), 0.01},
                                                  {small_plan(1, 64, 20), 0.01},
                                                  {small_plan(1, 200, 65), 0.004},
                                                  {small_plan(9, 1, 5), 0.8},
                                                  {small_plan(1, 4, 12, false), 0.8}}) {
    for (const std::uint64_t size : {std::uint64_t{1}, std::uint64_t{64}, std::uint64_t{300},
                                     std::uint64_t{4097}, std::uint64_t{40000}}) {
      RepeatFinder finder(plan);
      Slow slow;
      for (std::uint64_t k = 0; k < 4; ++k) {
        const Stream stream(size, p, size + k / 2);  // 0 and 1 are equal, 2 and 3
        const Order order = k == 1 ? Order::memory : Order::logical;
        finder.add(stream.chunk(k, 3 * k, order));
        slow.add(plan, stream, k, 3 * k, order);
      }
      EXPECT_EQ(finder.anchors(), slow.anchors) << plan.rare << " " << plan.common << " " << size;
      const RepeatFindings findings = finder.findings();
      EXPECT_EQ(findings.windows, slow.windows.size());
      EXPECT_EQ(findings.repeated, slow.repeated());
      const auto found = findings.earliest;
      EXPECT_EQ(found.has_value(), slow.repeated() > 0);
      if (!found) continue;
      std::optional<std::pair<RepeatPosition, RepeatPosition>> first;
      for (const auto& [text, positions] : slow.windows) {
        if (positions.size() < 2) continue;
        auto sorted = positions;
        std::sort(sorted.begin(), sorted.end());
        if (!first || std::pair(sorted[1], sorted[0]) < std::pair(first->second, first->first))
          first = {sorted[0], sorted[1]};
      }
      EXPECT_EQ(found->second.block, first->second.block);
      EXPECT_EQ(found->second.entry, first->second.entry);
      EXPECT_EQ(found->first, first->first);
    }
  }
}

TEST(RepeatFinder, IsTheSameInAnyOrderAlsoWhenItOverflows) {
  const RepeatPlan plan = small_plan(1, 1, 24);
  for (const std::uint64_t bound :
       {std::uint64_t{1}, std::uint64_t{50}, std::uint64_t{700}, std::uint64_t{1} << 19}) {
    std::vector<Stream> streams;
    for (std::uint64_t k = 0; k < 6; ++k) streams.emplace_back(3000, 0.4, k % 4);  // 4 and 5 repeat 0 and 1
    const auto of = [&](std::initializer_list<std::uint64_t> blocks) {
      RepeatFinder finder(plan, bound);
      for (const std::uint64_t k : blocks) finder.add(streams[k].chunk(k));
      return finder;
    };
    RepeatFinder forward = of({0, 1, 2, 3, 4, 5}), backward = of({5, 4, 3, 2, 1, 0});
    RepeatFinder left = of({0, 1}), right = of({2, 3}), last = of({4, 5});
    right.merge(last);
    left.merge(right);
    RepeatFinder grown = of({5});
    for (const std::uint64_t k : {3u, 0u, 4u, 1u, 2u}) grown.merge(of({k}));
    const RepeatFindings expected = forward.findings();
    EXPECT_LE(expected.windows, bound);
    for (const RepeatFinder* other : {&backward, &left, &grown}) {
      const RepeatFindings found = other->findings();
      EXPECT_EQ(other->anchors(), forward.anchors());
      EXPECT_EQ(other->places(), forward.places());
      EXPECT_EQ(found.windows, expected.windows);
      EXPECT_EQ(found.repeated, expected.repeated);
      EXPECT_EQ(found.kept_share, expected.kept_share);
      ASSERT_EQ(found.earliest.has_value(), expected.earliest.has_value());
      if (!expected.earliest) continue;
      EXPECT_EQ(found.earliest->first, expected.earliest->first);
      EXPECT_EQ(found.earliest->second, expected.earliest->second);
      EXPECT_EQ(found.earliest->occurrences, expected.earliest->occurrences);
    }
    EXPECT_TRUE(bound < 700 || expected.repeated > 0);
  }
}

TEST(RepeatFinder, FindsAStretchOfTheStatedLength) {
  constexpr double kBeta = 0.05;
  constexpr std::uint64_t kRuns = 300, kSize = 1 << 14;
  const auto plan = plan_repeats(2 * kSize, kSize, 0.3);
  ASSERT_TRUE(plan);
  const std::uint64_t length = shortest_repeat(*plan, kBeta);
  ASSERT_LT(length, kSize / 2);
  std::uint64_t missed = 0;
  for (std::uint64_t run = 0; run < kRuns; ++run) {
    const Stream original(kSize, 0.3, 2 * run);
    Stream copy(kSize, 0.3, 2 * run + 1);
    const std::uint64_t from = run * 17, to = run * 23 + 1;
    for (std::uint64_t t = 0; t < length; ++t) copy.put(to + t, original.at(from + t));
    RepeatFinder finder(*plan);
    finder.add(original.chunk(0));
    finder.add(copy.chunk(1));
    const RepeatFindings findings = finder.findings();
    missed += findings.repeated == 0 ? 1u : 0u;
    if (const auto& repeat = findings.earliest) {
      EXPECT_EQ(repeat->first.block, 0u);
      EXPECT_EQ(repeat->second.block, 1u);
      EXPECT_EQ(repeat->second.entry - repeat->first.entry, to - from);
    }
  }
  EXPECT_GT(binomial_upper_tail(kRuns, missed, kBeta), 1e-6) << missed;
  EXPECT_GT(missed, 0u) << "the stated length is far too long";
}

TEST(RepeatFinder, FindsNothingInIndependentMasks) {
  for (const double p : {0.1, 0.5, 0.99}) {
    const auto plan = plan_repeats(1 << 20, 1 << 18, p);
    ASSERT_TRUE(plan) << p;
    RepeatFinder finder(*plan);
    for (std::uint64_t k = 0; k < 4; ++k) finder.add(Stream(1 << 18, p, 900 + k).chunk(k));
    EXPECT_EQ(finder.findings().repeated, 0u) << p;
    const double expected = plan->anchor_probability * 0x1p20;
    EXPECT_NEAR(static_cast<double>(finder.anchors()), expected,
                0.02 * 0x1p20 * plan->anchor_probability + 6 * std::sqrt(expected));
  }
}

TEST(RepeatFinder, FindsThePeriodOfACounter) {
  const auto plan = plan_repeats(1 << 18, 1 << 18, 0.5);
  ASSERT_TRUE(plan);
  const Stream period(5001, 0.5, 3);
  Stream stream(1 << 18);
  for (std::uint64_t t = 0; t < stream.size; ++t) stream.put(t, period.at(t % 5001));
  RepeatFinder finder(*plan);
  finder.add(stream.chunk());
  const auto earliest = finder.findings().earliest;
  ASSERT_TRUE(earliest);
  EXPECT_EQ(earliest->second.entry - earliest->first.entry, 5001u);
}

Tail test_of(const RepeatFinder& finder, double chance, double p) {
  return repeat_test(finder, finder.findings(), chance, p);
}

TEST(RepeatTest, OneRepeatHasTheProbabilityOfTheBound) {
  const RepeatPlan plan = small_plan(1, 1, 24);
  const auto finder = [&](std::uint64_t copies) {
    RepeatFinder made(plan);
    for (std::uint64_t k = 0; k < copies; ++k) made.add(Stream(4000, 0.4, 7).chunk(k));
    return made;
  };
  EXPECT_EQ(test_of(finder(1), 1e-15, 0.4).p_value, 1);
  const double none = std::exp(ln_no_anchor(plan, finder(2).places(), 0.4));
  EXPECT_LT(none, 1e-200);
  EXPECT_EQ(test_of(finder(2), 1e-15, 0.4).p_value, 1e-15);
  EXPECT_EQ(test_of(finder(9), 1e-15, 0.4).p_value, 1e-15);
  EXPECT_EQ(test_of(finder(2), 7.0, 0.4).p_value, 1);
}

TEST(RepeatTest, MasksWithoutAnchorsAreEvidence) {
  const RepeatPlan plan = small_plan(1, 1, 24);
  RepeatFinder finder(plan);
  finder.add(Stream(4000).chunk());  // all kept
  EXPECT_EQ(finder.anchors(), 0u);
  EXPECT_EQ(finder.places(), 4000 - 26 + 1u);
  EXPECT_NEAR(test_of(finder, 1e-15, 0.01).p_value / std::pow(1 - 0.01 * 0.99, 3975), 1, 1e-9);
  EXPECT_EQ(test_of(finder, 1e-15, 0.001).p_value, 1) << "not so unlikely that it counts";
  EXPECT_EQ(test_of(finder, 1e-15, 0.0).p_value, 1);
}

TEST(RepeatTest, ChanceOfNoAnchorIsABound) {
  // All masks of 12 bits, which have 11 places for a drop with a keep after it.
  for (const double p : {0.1, 0.5, 0.8}) {
    double none = 0;
    for (unsigned mask = 0; mask < 1u << 12; ++mask) {
      if ((mask & ~(mask >> 1) & 0x7ffu) != 0) continue;
      const int drops = std::popcount(mask);
      none += std::pow(p, drops) * std::pow(1 - p, 12 - drops);
    }
    const RepeatPlan plan = small_plan(1, 1, 1);
    EXPECT_LE(none, std::exp(ln_no_anchor(plan, 11, p)) * (1 + 1e-12)) << p;
    EXPECT_GT(none, 0.0);
  }
}

TEST(RepeatPlanning, LargestSampleThatSeesALength) {
  const std::uint64_t length = 50000, n = repeat_max_samples(length, 1e-9, 0.1);
  ASSERT_GT(n, std::uint64_t{1} << 24);
  EXPECT_LE(shortest_repeat(*plan_repeats(n, kChunkBits, 0.1), 1e-9), length);
  EXPECT_GT(shortest_repeat(*plan_repeats(2 * n, kChunkBits, 0.1), 1e-9), length);
  EXPECT_EQ(repeat_max_samples(100, 1e-9, 0.1), 0u);
}

}  // namespace
}  // namespace dropcheck::stats
