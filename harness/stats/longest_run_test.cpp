#include "harness/stats/longest_run.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/multiprecision/cpp_bin_float.hpp>
#include <cmath>
#include <random>
#include <stdexcept>
#include <vector>
namespace dropcheck::stats {
namespace {

using Big = boost::multiprecision::cpp_bin_float_50;

struct Bits {
  std::vector<std::uint64_t> words;
  std::uint64_t size;
  explicit Bits(std::uint64_t n) : words((n + 63) / 64, 0), size(n) {}
  bool at(std::uint64_t i) const { return (words[i / 64] >> (i % 64) & 1) != 0; }
  void put(std::uint64_t i, bool drop) {
    const std::uint64_t bit = std::uint64_t{1} << (i % 64);
    words[i / 64] = drop ? words[i / 64] | bit : words[i / 64] & ~bit;
  }
  Chunk chunk(std::uint64_t block = 0, std::uint64_t index = 0) const {
    return {words, size, Order::logical, block, index, 0.5};
  }
};

Bits drawn(std::uint64_t n, double p, std::mt19937_64& engine) {
  Bits bits(n);
  for (std::uint64_t i = 0; i < n; ++i)
    if (static_cast<double>(engine() >> 11) * 0x1p-53 < p) bits.put(i, true);
  return bits;
}

LongestRun slow(const Bits& bits, bool drops) {
  LongestRun longest;
  std::uint64_t run = 0;
  for (std::uint64_t i = 0; i < bits.size; ++i) {
    run = bits.at(i) == drops ? run + 1 : 0;
    if (run > longest.length) longest = {run, {0, 0, i + 1 - run}};
  }
  return longest;
}

/// P(no run of `run` or more in n entries) by the whole recursion, in long double.
long double without_run_in_full(std::uint64_t n, std::uint64_t run, double rate) {
  const long double all = std::pow(static_cast<long double>(rate), static_cast<long double>(run));
  const long double ended = (1 - static_cast<long double>(rate)) * all;
  std::vector<long double> without(n + 1, 1);  // s_t = s_{t-1} - (1 - rate) rate^L s_{t-L-1}
  for (std::uint64_t t = run; t <= n; ++t)
    without[t] = t == run ? 1 - all : without[t - 1] - ended * without[t - run - 1];
  return without[n];
}

TEST(RunLaw, OfLongMasksIsThatOfTheWholeRecursion) {
  for (const auto& [rate, lengths] : std::vector<std::pair<double, std::vector<std::uint64_t>>>{
           {0.5, {16, 20, 30, 60}}, {0.9, {90, 130, 300}}, {0.1, {5, 7, 20}}, {0.99, {900, 1500, 4000}}}) {
    for (const std::uint64_t run : lengths) {
      for (const std::uint64_t n : {std::uint64_t{5000}, std::uint64_t{1} << 17, kChunkBits}) {
        const long double none = without_run_in_full(n, run, rate);
        const long double upper = 2 * (1 - none), lower = 2 * without_run_in_full(n, run + 1, rate);
        const double found = longest_run_test(run, {{n, 1}}, rate).p_value;
        const double expected = static_cast<double>(std::min({upper, lower, 1.0L}));
        if (expected > 2e-3) {
          EXPECT_NEAR(found / expected, 1, 1e-9) << rate << " " << run << " " << n;
        }
      }
    }
  }
}

TEST(LongestRuns, AgreeWithAWalkBitByBitOnAnyLengthAndRate) {
  std::mt19937_64 engine(1);
  for (const double p : {0.5, 0.1, 0.9, 0.01, 0.999, 0.0})
    for (const std::uint64_t n : {1u, 2u, 63u, 64u, 65u, 127u, 128u, 129u, 640u, 1000u, 4096u, 20000u})
      for (int repeat = 0; repeat < 5; ++repeat) {
        const Bits bits = drawn(n, p, engine);
        LongestRuns runs;
        runs.add(bits.chunk());
        EXPECT_EQ(runs.keeps, slow(bits, false)) << p << ' ' << n;
        EXPECT_EQ(runs.drops, slow(bits, true)) << p << ' ' << n;
      }
}

TEST(LongestRuns, FindAPlantedRunOfAnyLengthAtAnyPlace) {
  // Two runs of nearly equal length: words may be passed over for the first one, not for the second.
  std::mt19937_64 engine(2);
  for (int repeat = 0; repeat < 3000; ++repeat) {
    const std::uint64_t n = 3000 + engine() % 100;
    Bits bits = drawn(n, 0.5, engine);
    const std::uint64_t length = 1 + engine() % 700;
    for (const std::uint64_t more : {engine() % 3, engine() % 3}) {
      const std::uint64_t run = length + more, from = engine() % (n - run);
      for (std::uint64_t i = 0; i < run; ++i) bits.put(from + i, repeat % 2 == 0);
    }
    LongestRuns runs;
    runs.add(bits.chunk());
    ASSERT_EQ(runs.keeps, slow(bits, false)) << repeat;
    ASSERT_EQ(runs.drops, slow(bits, true)) << repeat;
  }
}

TEST(LongestRuns, MergeInAnyOrder) {
  std::mt19937_64 engine(3);
  std::vector<Bits> parts;
  for (int i = 0; i < 9; ++i) parts.push_back(drawn(i == 8 ? 70 : 500, 0.3, engine));
  LongestRuns forwards, backwards, pairs;
  for (std::uint64_t i = 0; i < 9; ++i) forwards.add(parts[i].chunk(i / 3, i % 3));
  for (std::uint64_t i = 9; i-- > 0;) backwards.add(parts[i].chunk(i / 3, i % 3));
  for (const std::vector<std::uint64_t>& group :
       {std::vector<std::uint64_t>{7, 2}, {0, 8, 5}, {1, 3, 4, 6}}) {
    LongestRuns part;
    for (const std::uint64_t i : group) part.add(parts[i].chunk(i / 3, i % 3));
    pairs.merge(part);
  }
  for (const LongestRuns* other : {&backwards, &pairs}) {
    EXPECT_EQ(other->keeps, forwards.keeps);
    EXPECT_EQ(other->drops, forwards.drops);
    EXPECT_EQ(other->chunks, forwards.chunks);
  }
  EXPECT_EQ(forwards.chunks, (ChunkSizes{{500, 8}, {70, 1}}));
}

// P(longest run < run) in n entries with 50 digits, by the length of the run that an entry ends.
Big without_run(std::uint64_t n, std::uint64_t run, double rate) {
  std::vector<Big> ends(run, Big(0));
  ends[0] = 1;
  const Big r = rate;
  for (std::uint64_t t = 0; t < n; ++t) {
    Big all = 0;
    for (const Big& probability : ends) all += probability;
    for (std::size_t j = run - 1; j > 0; --j) ends[j] = ends[j - 1] * r;
    ends[0] = all * (1 - r);
  }
  Big all = 0;
  for (const Big& probability : ends) all += probability;
  return all;
}

TEST(LongestRunTest, IsTheExactLawOfAllMasksOfAFewEntries) {
  constexpr std::uint64_t n = 14;
  for (const double rate : {0.5, 0.1, 0.8}) {
    std::vector<double> law(n + 1, 0);
    for (std::uint64_t mask = 0; mask < (1u << n); ++mask) {
      Bits bits(n);
      bits.words[0] = mask;
      const auto drops = static_cast<double>(std::popcount(mask));
      law[slow(bits, true).length] += std::pow(rate, drops) * std::pow(1 - rate, n - drops);
    }
    for (std::uint64_t length = 0; length <= n; ++length) {
      double longer = 0, shorter = 0;
      for (std::uint64_t l = 0; l <= n; ++l) {
        if (l >= length) longer += law[l];
        if (l <= length) shorter += law[l];
      }
      const double expected = std::min(1.0, 2 * std::min(longer, shorter));
      const Tail tail = longest_run_test(length, {{n, 1}}, rate);
      EXPECT_GE(tail.p_value, expected * (1 - 1e-9)) << length;
      if (shorter < 1e-3) continue;  // a bound there
      EXPECT_NEAR(tail.p_value, expected, 1e-9 * expected) << rate << ' ' << length;
    }
  }
}

TEST(LongestRunTest, AgreesWithFiftyDigitsInBothTails) {
  for (const double rate : {0.5, 0.9, 0.1})
    for (const std::uint64_t n : {200u, 1500u})
      for (std::uint64_t length = 1; length < 40; length += 3) {
        const Big longer = 1 - without_run(n, length, rate) * without_run(n / 2, length, rate);
        const Big shorter = without_run(n, length + 1, rate) * without_run(n / 2, length + 1, rate);
        const auto expected = static_cast<double>(log10(Big(2 * std::min(longer, shorter))));
        const Tail tail = longest_run_test(length, {{n, 1}, {n / 2, 1}}, rate);
        if (std::string_view(tail.engine) == "longest_run_exact") {
          EXPECT_NEAR(tail.log10_p, std::min(0.0, expected), 1e-9) << rate << ' ' << n << ' ' << length;
        } else {  // a bound from above, near the truth: the logarithm is within a factor
          EXPECT_GE(tail.log10_p, expected - 1e-6);
          EXPECT_LE(tail.log10_p, expected * 0.6) << rate << ' ' << n << ' ' << length;
        }
      }
}

TEST(LongestRunTest, AgreesWithThePublishedFigureForMillionsOfEntries) {
  // 1 - exp(-lambda), lambda = (n - L) p q^L + q^L, to the order of the correction (Chen-Stein), 2^24
  // entries.
  const std::uint64_t n = std::uint64_t{1} << 24, length = 190;
  const double q = 0.9;
  const double lambda = std::pow(q, 190) * (1 + 0.1 * static_cast<double>(n - length));
  const Tail tail = longest_run_test(length, {{n, 1}}, q);
  EXPECT_NEAR(tail.p_value / (-2 * std::expm1(-lambda)), 1, 1e-4);
}

TEST(LongestRunTest, StaysFiniteWhereDoublesEnd) {
  const Tail constant = longest_run_test(kChunkBits, {{kChunkBits, 3}}, 0.9);
  EXPECT_STREQ(constant.engine, "longest_run_bound");
  EXPECT_NEAR(constant.log10_p, std::log10(6) + static_cast<double>(kChunkBits) * std::log10(0.9), 1e-6);
  const Tail none = longest_run_test(0, {{kChunkBits, 3}}, 0.5);
  EXPECT_LT(none.log10_p, -5e5);
  EXPECT_TRUE(std::isfinite(none.log10_p));
}

TEST(LongestRunTest, RefusesWhatCannotBe) {
  EXPECT_THROW(longest_run_test(3, {}, 0.5), std::domain_error);
  EXPECT_THROW(longest_run_test(3, {{2, 5}}, 0.5), std::domain_error);
  EXPECT_THROW(longest_run_test(3, {{9, 5}}, 1.0), std::domain_error);
}

TEST(LongestRunMinEffect, IsTheShortestRunThatIsAlwaysRejectedToAFew) {
  const ChunkSizes chunks{{kChunkBits, 16}};
  for (const double rate : {0.9, 0.5, 0.1})
    for (const double alpha : {1e-6, 1e-9}) {
      const std::uint64_t length = longest_run_min_effect(chunks, alpha, rate);
      EXPECT_LE(longest_run_test(length, chunks, rate).p_value, alpha);
      // Two below it the bound is at most a few per cent above the exact probability.
      EXPECT_GT(longest_run_test(length - 1, chunks, rate).p_value, alpha * 0.9);
    }
  // 333 entries at p = 0.1, 2^24 entries and 1e-9 one-sided: doubling costs ln 2 / -ln 0.9 = 6.6 entries.
  EXPECT_NEAR(static_cast<double>(longest_run_min_effect(chunks, 1e-9, 0.9)), 333 + 7, 1);
  EXPECT_EQ(longest_run_min_effect({{20, 1}}, 1e-9, 0.9), 0u);
  EXPECT_EQ(longest_run_min_effect({}, 1e-9, 0.9), 0u);
}

TEST(LongestRunMaxChunks, IsTheOtherWayRound) {
  const std::uint64_t most = longest_run_max_chunks(340, kChunkBits, 1e-9, 0.9);
  EXPECT_GE(most, 1u);
  EXPECT_LE(longest_run_min_effect({{kChunkBits, most}}, 1e-9, 0.9), 340u);
  EXPECT_GT(longest_run_min_effect({{kChunkBits, most + 1}}, 1e-9, 0.9), 340u);
  EXPECT_EQ(longest_run_max_chunks(5, kChunkBits, 1e-9, 0.9), 0u);
}

TEST(ChunkSizes, FollowThePlan) {
  EXPECT_EQ(sizes_of({5, 2, 77}), (ChunkSizes{{kChunkBits, 5}, {77, 2}}));
  EXPECT_EQ(sizes_of({5, 0, 0}), (ChunkSizes{{kChunkBits, 5}}));
}

}  // namespace
}  // namespace dropcheck::stats
