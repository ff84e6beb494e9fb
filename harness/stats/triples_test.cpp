#include "harness/stats/triples.hpp"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <bitset>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

#include "harness/stats/binomial.hpp"
#include "harness/stats/character_sum.hpp"
#include "harness/stats/petrov.hpp"

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

bool bit(const std::vector<std::uint64_t>& words, std::uint64_t i) {
  return ((words[i / 64] >> (i % 64)) & 1) != 0;
}

std::uint64_t cell_of(unsigned i, unsigned j) {
  std::uint64_t cell = 0;
  while (triple_offsets(cell).i != i || triple_offsets(cell).j != j) ++cell;
  return cell;
}

// Standardised sum by the definition, circular over the first n bits.
double sum_of_products(const std::vector<std::uint64_t>& words, std::uint64_t n, TripleOffsets at, double p) {
  double sum = 0;
  for (std::uint64_t t = 0; t < n; ++t)
    sum += ((bit(words, t) ? 1 : 0) - p) * ((bit(words, (t + at.i) % n) ? 1 : 0) - p) *
           ((bit(words, (t + at.j) % n) ? 1 : 0) - p);
  return sum / std::sqrt(static_cast<double>(n) * std::pow(p * (1 - p), 3));
}

TEST(TripleOffsets, RunThroughAllPairsOnce) {
  std::uint64_t cell = 0;
  for (unsigned i = 1; i <= kTripleReach; ++i) {
    for (unsigned j = i + 1; j <= kTripleReach; ++j, ++cell) {
      EXPECT_EQ(triple_offsets(cell).i, i);
      EXPECT_EQ(triple_offsets(cell).j, j);
    }
  }
  EXPECT_EQ(cell, kTripleCount);
  EXPECT_THROW(triple_offsets(kTripleCount), std::domain_error);
}

TEST(TripleCounts, ReadThePowerOfTwoThatFits) {
  const auto words = random_words(5000, 0.3, 1);
  TripleCounts counts(1 << 16), fewer(1024);
  counts.add(chunk_of(words, 5000));
  fewer.add(chunk_of(words, 5000));
  EXPECT_EQ(counts.entries(), 4096u);
  EXPECT_EQ(fewer.entries(), 1024u);
  counts.add(chunk_of(words, 127));  // too short
  EXPECT_EQ(counts.entries(), 4096u);
}

TEST(TripleBits, AreFewerInLargerSamplesButMoreInAll) {
  std::uint64_t before = 0;
  for (std::uint64_t chunks = 1; chunks <= (1u << 20); chunks *= 4) {
    const std::uint64_t planned = planned_triple_entries({chunks, 0, 0});
    EXPECT_EQ(planned, chunks * triple_bits({chunks, 0, 0}));
    EXPECT_GT(planned, before) << chunks;
    before = planned;
  }
  EXPECT_EQ(triple_bits({4, 0, 0}), kChunkBits);
  EXPECT_EQ(triple_bits({1 << 20, 0, 0}), 1u << 16);
  EXPECT_EQ(planned_triple_entries({2, 2, 300}), 2 * kChunkBits + 2 * 256);
  EXPECT_EQ(planned_triple_entries({0, 2, 100}), 0u);
}

TEST(TripleTest, IsTheStandardisedSumOfCentredProducts) {
  for (const double p : {0.3, 0.1, 0.9}) {
    const auto words = random_words(1 << 12, p, 17);
    TripleCounts counts(1 << 12);
    counts.add(chunk_of(words, 1 << 12));
    for (const std::uint64_t cell : {0u, 1u, 30u, 31u, 100u, 495u}) {
      const TripleTest test = triple_test(counts, p, cell);
      EXPECT_NEAR(test.z, sum_of_products(words, 1 << 12, triple_offsets(cell), p), 1e-9) << p << " " << cell;
      EXPECT_NEAR(test.correlation, test.z / 64, 1e-12);
      const double g = (1 - 2 * p) / std::sqrt(p * (1 - p)), kurtosis = g * g + 1;
      // No offset of these cells is twice the other: six shifts share one factor with the triple itself.
      const double quartic = std::pow(kurtosis, 3) - 3 + 3 * 6 * (kurtosis - 1) - 3 * std::pow(g, 6);
      if (triple_offsets(cell).j != 2 * triple_offsets(cell).i) {
        EXPECT_NEAR(test.tail.p_value / petrov_two_sided(test.z, g * g * g / 64, quartic / 4096).p_value, 1,
                    1e-9);
      }
    }
  }
}

TEST(TripleSum, HasExactlyTheMomentsThatItsTailUses) {
  // All masks of 14 entries. Circular triples of 14 entries still contain no translate twice.
  for (const double p : {0.5, 0.3, 0.1}) {
    for (const TripleOffsets at : {TripleOffsets{1, 2}, TripleOffsets{1, 3}, TripleOffsets{2, 5}}) {
      double mean = 0, square = 0, cube = 0, fourth = 0;
      for (std::uint64_t mask = 0; mask < (1u << 14); ++mask) {
        const auto drops = static_cast<double>(std::popcount(mask));
        const double weight = std::pow(p, drops) * std::pow(1 - p, 14 - drops);
        const double z = sum_of_products({mask}, 14, at, p);
        mean += weight * z;
        square += weight * z * z;
        cube += weight * z * z * z;
        fourth += weight * z * z * z * z;
      }
      EXPECT_NEAR(mean, 0, 1e-10);
      EXPECT_NEAR(square, 1, 1e-10);
      EXPECT_NEAR(cube, std::pow((1 - 2 * p) / std::sqrt(p * (1 - p)), 3) / std::sqrt(14.0), 1e-9)
          << p << " " << at.i << " " << at.j;
      // Circular sums have no ends: the fourth cumulant is exactly what Petrov's tail gets.
      const double third = std::pow(bit_skewness(p), 6) / 14;
      const double quartic =
          character_quartic(std::array<std::uint32_t, 3>{0, at.i, at.j}, bit_skewness(p), bit_kurtosis(p)) /
          14;
      EXPECT_NEAR(fourth - 3 - 3 * third, quartic, 1e-7 * std::abs(fourth))
          << p << " " << at.i << " " << at.j;
    }
  }
}

TEST(TripleParities, OfFairBitsAreIndependentInStretchesOfPowersOfTwo) {
  // The map from entries to parities has full rank over two elements.
  constexpr std::size_t n = 128;
  for (std::uint64_t cell = 0; cell < kTripleCount; ++cell) {
    const TripleOffsets at = triple_offsets(cell);
    std::vector<std::bitset<n>> rows(n);
    for (std::size_t t = 0; t < n; ++t) rows[t].flip(t).flip((t + at.i) % n).flip((t + at.j) % n);
    std::size_t rank = 0;
    for (std::size_t column = 0; column < n; ++column) {
      std::size_t pivot = rank;
      while (pivot < n && !rows[pivot][column]) ++pivot;
      if (pivot == n) continue;
      std::swap(rows[rank], rows[pivot]);
      for (std::size_t r = rank + 1; r < n; ++r)
        if (rows[r][column]) rows[r] ^= rows[rank];
      ++rank;
    }
    ASSERT_EQ(rank, n) << cell;
  }
}

TEST(TripleTest, CountsParitiesOfFairBits) {
  const auto words = random_words(1 << 12, 0.5, 23);
  TripleCounts counts(1 << 12);
  counts.add(chunk_of(words, 1 << 12));
  const std::uint64_t cell = cell_of(5, 17);
  std::uint64_t odd = 0;
  for (std::uint64_t t = 0; t < (1u << 12); ++t)
    odd += (bit(words, t) ^ bit(words, (t + 5) % (1 << 12)) ^ bit(words, (t + 17) % (1 << 12))) ? 1u : 0u;
  EXPECT_DOUBLE_EQ(triple_test(counts, 0.5, cell).tail.p_value,
                   binomial_two_sided(1 << 12, odd, 0.5).p_value);
  EXPECT_STREQ(triple_test(counts, 0.5).tail.engine, "binomial_exact_bonferroni");
}

TEST(TripleTest, FindsTheTapsOfAShiftRegister) {
  const std::uint64_t size = 1 << 16;
  auto words = random_words(size, 0.5, 29);
  // Each entry from the 32nd on is the exclusive or of those 7 and 31 before it.
  for (std::uint64_t t = 31; t < size; ++t) {
    const std::uint64_t mask = std::uint64_t{1} << (t % 64);
    if (bit(words, t - 7) != bit(words, t - 31)) words[t / 64] |= mask;
    else words[t / 64] &= ~mask;
  }
  TripleCounts counts(size);
  counts.add(chunk_of(words, size));
  const TripleTest test = triple_test(counts, 0.5);
  EXPECT_EQ(triple_offsets(test.cell).i, 24u);
  EXPECT_EQ(triple_offsets(test.cell).j, 31u);
  EXPECT_LT(test.tail.log10_p, -1000);
  EXPECT_NEAR(std::abs(test.correlation), 1, 0.01);
  EXPECT_GT(test.tail.log10_p, triple_test(counts, 0.5, test.cell).tail.log10_p);  // the correction is gone
}

TEST(TripleTest, RejectsNoMoreOftenThanItsLevel) {
  int rejected = 0;
  for (std::uint64_t run = 0; run < 150; ++run) {
    TripleCounts counts(1 << 13);
    counts.add(chunk_of(random_words(1 << 13, 0.35, run), 1 << 13));
    rejected += triple_test(counts, 0.35).tail.p_value <= 0.05;
  }
  EXPECT_LE(rejected, 24);  // Bin(150, 0.05): P(X > 24) = 5e-7
}

TEST(TripleTest, IsPlannedWhereItCanDecide) {
  EXPECT_FALSE(triples_are_valid(0, 0.5, 1e-10));
  EXPECT_TRUE(triples_are_valid(128, 0.5, 1e-10));
  EXPECT_FALSE(triples_are_valid(std::uint64_t{1} << 20, 0.1, 1e-10));
  EXPECT_TRUE(triples_are_valid(std::uint64_t{1} << 23, 0.1, 1e-10));
  EXPECT_THROW(triples_are_valid(5, 0.0, 1e-10), std::domain_error);
  EXPECT_THROW(triple_test(TripleCounts(128), 0.5), std::domain_error);
}

TEST(TripleCountsMerge, AddsUpInAnyOrder) {
  TripleCounts a(1024), b(1024), c(1024);
  a.add(chunk_of(random_words(2048, 0.3, 1), 2048));
  b.add(chunk_of(random_words(700, 0.3, 2), 700));
  c.add(chunk_of(random_words(1024, 0.3, 3), 1024));
  TripleCounts left = a, right = c;
  left.merge(b), left.merge(c);
  right.merge(b), right.merge(a);
  EXPECT_EQ(left.entries(), 1024u + 512 + 1024);
  EXPECT_EQ(left.entries(), right.entries());
  EXPECT_EQ(left.drops(), right.drops());
  for (std::uint64_t cell = 0; cell < kTripleCount; ++cell)
    EXPECT_EQ(left.all_three(cell), right.all_three(cell));
  for (unsigned lag = 1; lag <= kTripleReach; ++lag) EXPECT_EQ(left.both(lag), right.both(lag));
}

TEST(TripleMinEffect, IsReachedByTheStatedNumberOfEntries) {
  const std::uint64_t n = triple_min_samples(0.01, 1e-9, 1e-6, 0.3);
  EXPECT_LE(triple_min_effect(n, 1e-9, 1e-6, 0.3), 0.01);
  EXPECT_GT(triple_min_effect(n - n / 100, 1e-9, 1e-6, 0.3), 0.01);
  // z of 1e-9 / 496 / 2 is 7.05, of 1e-6 4.75.
  EXPECT_NEAR(triple_min_effect(1 << 24, 1e-9, 1e-6, 0.5) * 4096, 11.81, 0.05);
  EXPECT_EQ(triple_min_effect(0, 1e-9, 1e-6, 0.5), std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace dropcheck::stats
