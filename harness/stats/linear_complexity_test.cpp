#include "harness/stats/linear_complexity.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <stdexcept>
#include <vector>

namespace dropcheck::stats {
namespace {

// The algorithm bit by bit, as Massey states it.
std::uint64_t by_definition(const std::vector<int>& s) {
  std::vector<int> c(s.size() + 1, 0), b(s.size() + 1, 0);
  c[0] = b[0] = 1;
  std::size_t l = 0, m = 1;
  for (std::size_t n = 0; n < s.size(); ++n, ++m) {
    int d = s[n];
    for (std::size_t i = 1; i <= l; ++i) d ^= c[i] & s[n - i];
    if (d == 0) continue;
    const std::vector<int> t = c;
    for (std::size_t i = 0; i + m < c.size(); ++i) c[i + m] ^= b[i];
    if (2 * l <= n) {
      l = n + 1 - l;
      b = t;
      m = 0;
    }
  }
  return l;
}

TEST(LinearComplexity, CountsShiftRegistersOfShortSequences) {
  // The shortest register by trying them all.
  for (std::uint64_t sequence = 0; sequence < 256; ++sequence) {
    const unsigned n = 8;
    const auto bit = [&](unsigned i) { return static_cast<unsigned>((sequence >> i) & 1); };
    unsigned shortest = n;
    for (unsigned l = 0; l < n && shortest == n; ++l)
      for (unsigned taps = 0; taps < (1u << l); ++taps) {
        bool makes = true;
        for (unsigned t = l; t < n && makes; ++t) {
          unsigned sum = 0;
          for (unsigned i = 0; i < l; ++i) sum ^= ((taps >> i) & 1) & bit(t - 1 - i);
          makes = sum == bit(t);
        }
        if (makes) {
          shortest = l;
          break;
        }
      }
    EXPECT_EQ(linear_complexity({&sequence, 1}, n), shortest) << sequence;
  }
}

TEST(LinearComplexity, EqualsTheBitwiseAlgorithm) {
  std::mt19937_64 engine(7);
  for (const std::uint64_t size : {1u, 63u, 64u, 65u, 127u, 128u, 300u, 1000u}) {
    for (int kind = 0; kind < 3; ++kind) {
      std::vector<std::uint64_t> words(size / 64 + 1);
      for (std::uint64_t& word : words)
        word = kind == 0 ? engine() : kind == 1 ? engine() & engine() & engine() : 0;
      if (kind == 2) words[(size - 1) / 64] = std::uint64_t{1} << ((size - 1) % 64);  // 0...01
      std::vector<int> bits(size);
      for (std::uint64_t i = 0; i < size; ++i) bits[i] = static_cast<int>((words[i / 64] >> (i % 64)) & 1);
      EXPECT_EQ(linear_complexity(words, size), by_definition(bits)) << size << " " << kind;
      if (kind == 2) {
        EXPECT_EQ(linear_complexity(words, size), size);
      }
    }
  }
}

TEST(LinearComplexityTail, CountsAllSequences) {
  for (const unsigned n : {1u, 2u, 7u, 10u, 11u}) {
    std::map<std::uint64_t, double> law;
    for (std::uint64_t sequence = 0; sequence < (1u << n); ++sequence)
      law[linear_complexity({&sequence, 1}, n)] += std::exp2(-static_cast<double>(n));
    for (std::uint64_t l = 0; l <= n; ++l) {
      double lower = 0, upper = 0;
      for (const auto& [complexity, probability] : law) {
        if (complexity <= l) lower += probability;
        if (complexity >= l) upper += probability;
      }
      EXPECT_NEAR(linear_complexity_tail(n, l).p_value, std::min(1.0, 2 * std::min(lower, upper)), 1e-12)
          << n << " " << l;
    }
  }
  EXPECT_THROW(linear_complexity_tail(0, 0), std::domain_error);
  EXPECT_THROW(linear_complexity_tail(5, 6), std::domain_error);
}

TEST(LinearComplexityTail, KnowsTheMersenneTwister) {
  // The most significant bits of MT19937 are linear in 19937 bits of state, and one bit more was seen to
  // count.
  std::mt19937 engine(5489);
  std::vector<std::uint64_t> words(kComplexityBits / 64 + 1, 0);
  for (std::uint64_t i = 0; i < kComplexityBits; ++i)
    words[i / 64] |= std::uint64_t{engine() >> 31} << (i % 64);
  Chunk chunk;
  chunk.words = words;
  chunk.size = 64 * words.size();
  ComplexityCounts counts;
  counts.add(chunk);
  EXPECT_NEAR(static_cast<double>(counts.complexity.at(0)), 19937, 1.1);
  EXPECT_NEAR(complexity_test(counts).tail.log10_p, -2 * (22500 - 19937) * std::log10(2.0), 2);
}

TEST(ComplexityCounts, LookAtTheFirstChunkOfAFewBlocks) {
  std::mt19937_64 engine(3);
  std::vector<std::uint64_t> words(kComplexityBits / 64 + 1);
  for (std::uint64_t& word : words) word = engine();
  Chunk chunk;
  chunk.words = words;
  chunk.size = 64 * words.size();
  ComplexityCounts a, b;
  chunk.block = 2;
  a.add(chunk);
  chunk.index = 1;
  a.add(chunk);
  chunk.index = 0;
  chunk.block = kMostSequences;
  a.add(chunk);
  chunk.block = 1;
  chunk.size = kComplexityBits - 1;
  a.add(chunk);
  EXPECT_EQ(a.complexity.size(), 1u);
  b.complexity = {{0, 22500}, {3, 22501}};
  ComplexityCounts left = a, right = b;
  left.merge(b);
  right.merge(a);
  EXPECT_EQ(left.complexity, right.complexity);
  EXPECT_EQ(left.complexity.size(), 3u);
  EXPECT_GT(complexity_test(left).tail.p_value, 1e-3);
  EXPECT_THROW(complexity_test({}), std::domain_error);
}

TEST(ComplexityMinDeficit, IsWhereTheTailCrossesTheLevel) {
  EXPECT_EQ(complexity_min_deficit(1, 1e-9), 16u);  // 4/3 4^-15 = 1.24e-9
  for (const double alpha : {1e-3, 1e-9, 1e-12}) {
    const std::uint64_t d = complexity_min_deficit(4, alpha);
    EXPECT_LE(4 * linear_complexity_tail(kComplexityBits, 22500 - d).p_value, alpha);
    EXPECT_GT(4 * linear_complexity_tail(kComplexityBits, 22500 - d + 1).p_value, alpha);
  }
}

}  // namespace
}  // namespace dropcheck::stats
