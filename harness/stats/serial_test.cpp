#include "harness/stats/serial.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <stdexcept>
#include <vector>

#include "harness/stats/chi_squared.hpp"

namespace dropcheck::stats {
namespace {

std::vector<std::uint64_t> random_words(std::uint64_t size, double p, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::vector<std::uint64_t> words((size + 63) / 64, 0);
  for (std::uint64_t i = 0; i < size; ++i)
    if (static_cast<double>(engine() >> 11) * 0x1p-53 < p) words[i / 64] |= std::uint64_t{1} << (i % 64);
  return words;
}

Chunk chunk_of(const std::vector<std::uint64_t>& words, std::uint64_t size) {
  Chunk chunk;
  chunk.words = words;
  chunk.size = size;
  return chunk;
}

// By the definition, for a mask of up to 64 entries, at any length.
SerialCounts counted(std::uint64_t mask, unsigned size) {
  SerialCounts counts;
  counts.windows = size;
  for (unsigned t = 0; t < size; ++t) {
    unsigned pattern = 0;
    for (unsigned i = 0; i < kLongestPattern; ++i)
      pattern |= static_cast<unsigned>((mask >> ((t + i) % size)) & 1) << i;
    ++counts.patterns[pattern];
  }
  return counts;
}

TEST(SerialCounts, CountEveryCircularWindow) {
  for (const std::uint64_t size : {64u, 65u, 127u, 128u, 129u, 191u, 192u, 1000u, 4096u, 5003u}) {
    const auto words = random_words(size, 0.4, size);
    SerialCounts counts;
    counts.add(chunk_of(words, size));
    std::array<std::uint64_t, 256> expected{};
    for (std::uint64_t t = 0; t < size; ++t) {
      unsigned pattern = 0;
      for (unsigned i = 0; i < 8; ++i) {
        const std::uint64_t at = (t + i) % size;
        pattern |= static_cast<unsigned>((words[at / 64] >> (at % 64)) & 1) << i;
      }
      ++expected[pattern];
    }
    EXPECT_EQ(counts.patterns, expected) << size;
    EXPECT_EQ(counts.windows, size);
  }
}

TEST(SerialCounts, LeaveChunksOutThatAreTooShort) {
  const auto words = random_words(63, 0.5, 1);
  SerialCounts counts;
  counts.add(chunk_of(words, 63));
  EXPECT_EQ(counts.windows, 0u);
  EXPECT_EQ(planned_windows({3, 2, 63}), 3 * kChunkBits);
  EXPECT_EQ(planned_windows({3, 2, 64}), 3 * kChunkBits + 128);
}

TEST(SerialCounts, MergeInAnyOrder) {
  SerialCounts a, b, c, left, right;
  for (SerialCounts* part : {&a, &b, &c}) {
    const std::uint64_t size = part == &a ? 640 : part == &b ? 333 : 1024;
    part->add(chunk_of(random_words(size, 0.3, size), size));
  }
  left = a, left.merge(b), left.merge(c);
  right = c, right.merge(a), right.merge(b);
  EXPECT_EQ(left.patterns, right.patterns);
  EXPECT_EQ(left.windows, 640u + 333 + 1024);
}

TEST(SerialCounts, FoldToShorterPatterns) {
  const auto words = random_words(777, 0.3, 5);
  SerialCounts counts;
  counts.add(chunk_of(words, 777));
  std::uint64_t drops = 0;
  for (const std::uint64_t word : words) drops += static_cast<std::uint64_t>(std::popcount(word));
  EXPECT_EQ(counts.of_length(1), (std::vector<std::uint64_t>{777 - drops, drops}));
  EXPECT_THROW(counts.of_length(0), std::domain_error);
  EXPECT_THROW(counts.of_length(9), std::domain_error);
}

// Q_k - Q_(k-1) without a demand on the number of windows.
double first_difference(const SerialCounts& counts, unsigned length, double p) {
  double difference = 0;
  for (const unsigned k : {length, length - 1}) {
    double q = 0;
    const auto observed = counts.of_length(k);
    for (std::uint64_t w = 0; w < observed.size(); ++w) {
      const auto drops = static_cast<double>(std::popcount(w));
      const double expected =
          static_cast<double>(counts.windows) * std::pow(p, drops) * std::pow(1 - p, double(k) - drops);
      q += (static_cast<double>(observed[w]) - expected) * (static_cast<double>(observed[w]) - expected) /
           expected;
    }
    difference += k == length ? q : -q;
  }
  return difference;
}

TEST(SerialDifference, HasExactlyTheMeanOfItsLawForEveryP) {
  // All masks of 12 entries, each with its probability.
  for (const double p : {0.5, 0.3, 0.07}) {
    for (unsigned length = 2; length <= 5; ++length) {
      double mean = 0;
      for (std::uint64_t mask = 0; mask < (1u << 12); ++mask) {
        const auto drops = static_cast<double>(std::popcount(mask));
        mean +=
            std::pow(p, drops) * std::pow(1 - p, 12 - drops) * first_difference(counted(mask, 12), length, p);
      }
      EXPECT_NEAR(mean / std::exp2(length - 1), 1, 1e-10) << p << " " << length;
    }
  }
}

TEST(SerialDifference, IsTheSumOfSquaresOfAllProducts) {
  // Every product of centred bits whose first factor is the window's first entry, squared once.
  const double p = 0.3, v = p * (1 - p);
  const std::uint64_t mask = 0b1011'0010'0111'0001'1010'0100u;
  for (unsigned length = 2; length <= 5; ++length) {
    double sum = 0;
    for (unsigned others = 0; others < (1u << (length - 1)); ++others) {
      double z = 0;
      for (unsigned t = 0; t < 24; ++t) {
        double product = 1;
        for (unsigned i = 0; i < length; ++i)
          if (i == 0 || ((others >> (i - 1)) & 1))
            product *= (static_cast<double>((mask >> ((t + i) % 24)) & 1) - p) / std::sqrt(v);
        z += product / std::sqrt(24.0);
      }
      sum += z * z;
    }
    EXPECT_NEAR(first_difference(counted(mask, 24), length, p), sum, 1e-9) << length;
  }
}

TEST(SerialTest, IsTheFirstDifferenceReferredToChiSquared) {
  const std::uint64_t size = 150000;
  const auto words = random_words(size, 0.3, 77);
  SerialCounts counts;
  counts.add(chunk_of(words, size));
  for (unsigned length = 2; length <= 3; ++length) {
    const SerialTest test = serial_test(counts, length, 0.3);
    EXPECT_NEAR(test.statistic, first_difference(counts, length, 0.3), 1e-8);
    EXPECT_EQ(test.degrees_of_freedom, std::exp2(length - 1));
    EXPECT_EQ(test.tail.p_value, chi_squared_upper(test.statistic, test.degrees_of_freedom).p_value);
  }
}

TEST(SerialTest, NamesThePatternThatIsFurthestOff) {
  // 1101 never occurs: each time it would, its last entry is changed.
  const std::uint64_t size = 1 << 16;
  auto words = random_words(size, 0.5, 3);
  const auto bit = [&](std::uint64_t i) { return (words[i / 64] >> (i % 64)) & 1; };
  for (std::uint64_t t = 0; t + 4 <= size; ++t)
    if (bit(t) && bit(t + 1) && !bit(t + 2) && bit(t + 3))
      words[(t + 3) / 64] ^= std::uint64_t{1} << ((t + 3) % 64);
  SerialCounts counts;
  counts.add(chunk_of(words, size));
  const SerialTest test = serial_test(counts, 4, 0.5);
  EXPECT_LT(test.tail.p_value, 1e-100);
  EXPECT_TRUE(test.worst_pattern == 0b1011u || test.worst_pattern == 0b0011u) << test.worst_pattern;
}

TEST(SerialTest, RejectsAtItsLevelWhereTheRarestPatternIsJustExpectedOftenEnough) {
  std::mt19937_64 engine(99);
  constexpr std::uint64_t n = 44480, threshold = 19660;  // of 2^16
  constexpr double p = static_cast<double>(threshold) / 65536;
  ASSERT_TRUE(serial_is_valid(n, 2, p));
  ASSERT_FALSE(serial_is_valid(n - 128, 2, p));
  int rejected = 0;
  for (int run = 0; run < 1000; ++run) {
    std::vector<std::uint64_t> words(n / 64, 0);
    // Each 16-bit part of a draw makes one entry.
    for (std::uint64_t i = 0; i < n; i += 4) {
      const std::uint64_t draw = engine();
      for (unsigned part = 0; part < 4; ++part)
        if (((draw >> (16 * part)) & 0xffff) < threshold)
          words[(i + part) / 64] |= std::uint64_t{1} << ((i + part) % 64);
    }
    SerialCounts counts;
    counts.add(chunk_of(words, n));
    rejected += serial_test(counts, 2, p).tail.p_value <= 0.01;
  }
  EXPECT_LE(rejected, 27);  // Bin(1000, 0.01): P(X > 27) = 3e-6
}

TEST(SerialTest, RefusesTooFewWindowsAndOddLengths) {
  SerialCounts counts;
  counts.add(chunk_of(random_words(16384, 0.5, 3), 16384));
  EXPECT_THROW(serial_test(counts, 3, 0.5), std::domain_error);
  EXPECT_NO_THROW(serial_test(counts, 2, 0.5));
  EXPECT_THROW(serial_test(counts, 1, 0.5), std::domain_error);
  EXPECT_THROW(serial_test(counts, 9, 0.5), std::domain_error);
  EXPECT_FALSE(serial_is_valid(0, 2, 0.5));
  EXPECT_THROW(serial_is_valid(10, 2, 1.0), std::domain_error);
}

TEST(SerialMinEffect, IsReachedByTheStatedNumberOfWindows) {
  // Noncentrality 275.3 of 128 degrees of freedom at 1e-9 and 1e-6.
  EXPECT_NEAR(serial_min_effect(1 << 24, 8, 1e-9, 1e-6), std::sqrt(275.3 / (1 << 24)), 1e-5);
  for (const double effect : {0.01, 0.001}) {
    const std::uint64_t n = serial_min_samples(4, effect, 1e-9, 1e-6, 0.5);
    EXPECT_LE(serial_min_effect(n, 4, 1e-9, 1e-6), effect);
    EXPECT_GT(serial_min_effect(n - n / 1000, 4, 1e-9, 1e-6), effect);
  }
  EXPECT_TRUE(serial_is_valid(serial_min_samples(8, 0.5, 1e-9, 1e-6, 0.1), 8, 0.1));
  EXPECT_EQ(serial_min_effect(0, 4, 1e-9, 1e-6), std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace dropcheck::stats
