#include "harness/stats/periodogram.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <complex>
#include <limits>
#include <numbers>
#include <random>
#include <stdexcept>
#include <vector>

#include "harness/stats/gamma_law.hpp"

namespace dropcheck::stats {
namespace {

constexpr std::uint64_t kL = kPeriodogramBlock;

using RateAt = double (*)(std::uint64_t t);

std::vector<std::uint64_t> random_words(std::uint64_t size, RateAt rate, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::vector<std::uint64_t> words((size + 63) / 64, 0);
  for (std::uint64_t i = 0; i < size; ++i)
    if (static_cast<double>(engine() >> 11) * 0x1p-53 < rate(i))
      words[i / 64] |= std::uint64_t{1} << (i % 64);
  return words;
}

double fixed_rate(std::uint64_t) { return 0.3; }

Chunk chunk_of(const std::vector<std::uint64_t>& words, std::uint64_t size) {
  Chunk chunk;
  chunk.words = words;
  chunk.size = size;
  return chunk;
}

bool bit(const std::vector<std::uint64_t>& words, std::uint64_t i) {
  return ((words[i / 64] >> (i % 64)) & 1) != 0;
}

TEST(PeriodogramCounts, AreCircularAutocovariancesOfBlocks) {
  const auto words = random_words(3 * kL + 100, fixed_rate, 1);
  PeriodogramCounts counts(256);
  counts.add(chunk_of(words, 3 * kL + 100));
  EXPECT_EQ(counts.blocks(), 3u);
  const std::vector<std::uint64_t> found = counts.autocovariances();
  for (std::uint64_t k = 0; k <= kFrequencies; k += k < 70 ? 1 : 89) {
    std::uint64_t expected = 0;
    for (std::uint64_t block = 0; block < 3; ++block)
      for (std::uint64_t t = 0; t < kL; ++t)
        expected += bit(words, block * kL + t) && bit(words, block * kL + (t + k) % kL) ? 1u : 0u;
    EXPECT_EQ(found[k], expected) << k;
  }
}

TEST(PeriodogramCounts, GiveThePowerOfTheDefinition) {
  const auto words = random_words(2 * kL, fixed_rate, 2);
  PeriodogramCounts counts(256);
  counts.add(chunk_of(words, 2 * kL));
  const auto powers = counts.powers();
  for (const std::uint64_t j : {0u, 1u, 2u, 37u, 1000u, 1024u, 2047u, 2048u}) {
    double power = 0;
    for (std::uint64_t block = 0; block < 2; ++block) {
      std::complex<double> sum = 0;
      for (std::uint64_t t = 0; t < kL; ++t)
        if (bit(words, block * kL + t))
          sum += std::polar(
              1.0, -2 * std::numbers::pi * static_cast<double>(j * t % kL) / static_cast<double>(kL));
      power += std::norm(sum);
    }
    EXPECT_NEAR(powers[j] / power, 1, 1e-8) << j;
  }
}

TEST(PeriodogramCounts, MergeInAnyOrder) {
  PeriodogramCounts all(256), a(256), b(256);
  for (const std::uint64_t size : {3 * kL, kL + 7, std::uint64_t{50}, 9 * kL}) {
    const auto words = random_words(size, fixed_rate, size);
    all.add(chunk_of(words, size));
    (size == 3 * kL ? a : b).add(chunk_of(words, size));
  }
  b.merge(a);
  EXPECT_EQ(b.blocks(), all.blocks());
  EXPECT_EQ(b.autocovariances(), all.autocovariances());
}

TEST(PeriodogramCounts, SettleManyBlocksToTheSameWholeNumbers) {
  // More blocks than are held back at a time, against as many counters that hold back all of theirs.
  constexpr std::uint64_t kChunks = 80;
  PeriodogramCounts together(256);
  std::vector<std::uint64_t> sums(kFrequencies + 1, 0);
  for (std::uint64_t c = 0; c < kChunks; ++c) {
    const auto words = random_words(kChunkBits, fixed_rate, c % 3);
    PeriodogramCounts alone(256);
    alone.add(chunk_of(words, kChunkBits));
    together.merge(alone);
    const auto counts = alone.autocovariances();
    for (std::size_t k = 0; k < sums.size(); ++k) sums[k] += counts[k];
  }
  EXPECT_EQ(together.blocks(), kChunks * 256);
  EXPECT_EQ(together.autocovariances(), sums);
}

TEST(PeriodogramBlocks, GrowWithTheRootOfLargeSamplesInSixteens) {
  std::uint64_t before = 0;
  for (std::uint64_t chunks = 1; chunks <= (1u << 14); chunks *= 2) {
    const std::uint64_t planned = planned_periodogram_blocks({chunks, 0, 0});
    EXPECT_EQ(planned, chunks * periodogram_blocks({chunks, 0, 0}));
    EXPECT_EQ(periodogram_blocks({chunks, 0, 0}) % 16, 0u);
    EXPECT_GE(planned, before);
    before = planned;
  }
  EXPECT_EQ(periodogram_blocks({16, 0, 0}), 64u);  // 256 sqrt(256 / 2^12)
  EXPECT_EQ(periodogram_blocks({2, 0, 0}), 176u);  // 181.02 to the nearest
  EXPECT_EQ(before, (1u << 14) * 16u);             // 2 would do, but 16 cost no more
  EXPECT_EQ(planned_periodogram_blocks({0, 5, 4095}), 0u);
  EXPECT_EQ(planned_periodogram_blocks({0, 5, 8192}), 10u);
}

TEST(PeriodogramCounts, ReadBlocksSpreadOverTheChunk) {
  // Only blocks 0, 4, 8, ... hold a drop.
  std::vector<std::uint64_t> words(kChunkBits / 64, 0);
  for (std::uint64_t block = 0; block < 256; block += 4) words[block * 64] = 1;
  PeriodogramCounts counts(64);
  counts.add(chunk_of(words, kChunkBits));
  EXPECT_EQ(counts.blocks(), 64u);
  EXPECT_EQ(counts.autocovariances()[0], 64u);
}

TEST(Power, HasExactlyTheMeanAndVarianceOfItsLaw) {
  // The same sums for blocks of 8 entries, over all masks.
  constexpr unsigned n = 8;
  for (const double p : {0.5, 0.2}) {
    const double v = p * (1 - p), kurtosis = (1 - 3 * v) / v;
    for (unsigned j = 1; j <= n / 2; ++j) {
      double mean = 0, square = 0;
      for (unsigned mask = 0; mask < (1u << n); ++mask) {
        const double drops = std::popcount(mask);
        std::complex<double> sum = 0;
        for (unsigned t = 0; t < n; ++t)
          if ((mask >> t) & 1) sum += std::polar(1.0, -2 * std::numbers::pi * j * t / n);
        const double power = std::norm(sum) / (n * v);
        mean += std::pow(p, drops) * std::pow(1 - p, n - drops) * power;
        square += std::pow(p, drops) * std::pow(1 - p, n - drops) * power * power;
      }
      EXPECT_NEAR(mean, 1, 1e-12);
      EXPECT_NEAR(square - 1, (j == n / 2 ? 2 : 1) + (kurtosis - 3) / n, 1e-12) << p << " " << j;
    }
  }
}

TEST(PeriodogramTest, FindsAPeriodThatIsNoPowerOfTwoWhateverItsPhase) {
  // 113 cycles in 4096 entries; each chunk of four blocks begins at another phase.
  PeriodogramCounts counts(256);
  for (std::uint64_t chunk = 0; chunk < 64; ++chunk) {
    std::mt19937_64 engine(chunk);
    const double phase = static_cast<double>(engine() % 1000) / 1000 * 2 * std::numbers::pi;
    std::vector<std::uint64_t> words(4 * kL / 64, 0);
    for (std::uint64_t i = 0; i < 4 * kL; ++i) {
      const double angle = 2 * std::numbers::pi * 113 * static_cast<double>(i) / static_cast<double>(kL);
      if (static_cast<double>(engine() >> 11) * 0x1p-53 < 0.3 + 0.02 * std::cos(angle + phase))
        words[i / 64] |= std::uint64_t{1} << (i % 64);
    }
    counts.add(chunk_of(words, 4 * kL));
  }
  const PeriodogramTest test = periodogram_test(counts, 0.3);
  EXPECT_EQ(test.frequency, 113u);
  EXPECT_LT(test.tail.p_value, 1e-20);
  EXPECT_NEAR(test.power, 1 + 4096 * 0.02 * 0.02 / (4 * 0.21), 0.5);
  EXPECT_GT(test.tail.log10_p, periodogram_test(counts, 0.3, 113).tail.log10_p);
  EXPECT_GT(periodogram_test(counts, 0.3, 114).tail.p_value, 1e-9);
}

TEST(PeriodogramTest, RejectsNoMoreOftenThanItsLevel) {
  std::mt19937_64 engine(12);
  int rejected = 0;
  for (int run = 0; run < 60; ++run) {
    std::vector<std::uint64_t> words(256 * kL / 64);
    for (std::uint64_t& word : words) word = engine() & engine();
    PeriodogramCounts counts(256);
    counts.add(chunk_of(words, 256 * kL));
    rejected += periodogram_test(counts, 0.25).tail.p_value <= 0.05;
  }
  EXPECT_LE(rejected, 14);  // Bin(60, 0.05): P(X > 14) = 2e-7
}

TEST(PeriodogramTest, KnowsItsValidity) {
  EXPECT_TRUE(periodogram_is_valid(256, 0.5));
  EXPECT_FALSE(periodogram_is_valid(255, 0.5));
  EXPECT_TRUE(periodogram_is_valid(256, 0.03));
  EXPECT_FALSE(periodogram_is_valid(256, 0.02));
  EXPECT_FALSE(periodogram_is_valid(256, 0.98));
  EXPECT_THROW(periodogram_test(PeriodogramCounts(1), 0.5), std::domain_error);
  EXPECT_THROW(PeriodogramCounts(0), std::domain_error);
  EXPECT_THROW(PeriodogramCounts(257), std::domain_error);
}

TEST(PeriodogramTest, TakesAnEmptySpectrumForUnlikely) {
  // Equal entries in every block: no power at any frequency, which a small gamma tail bounds.
  PeriodogramCounts counts(256);
  const std::vector<std::uint64_t> words(kChunkBits / 64, ~std::uint64_t{0});
  counts.add(chunk_of(words, kChunkBits));
  const PeriodogramTest test = periodogram_test(counts, 0.5);
  EXPECT_LT(test.tail.log10_p, -500);
  EXPECT_TRUE(std::isfinite(test.tail.log10_p));
}

TEST(PeriodogramMinEffect, IsReachedByTheStatedNumberOfBlocks) {
  const std::uint64_t n = periodogram_min_samples(0.2, 1e-9, 1e-6, 0.1);
  EXPECT_LE(periodogram_min_effect(n, 1e-9, 1e-6, 0.1), 0.2);
  EXPECT_GT(periodogram_min_effect(n - 1, 1e-9, 1e-6, 0.1), 0.2);
  EXPECT_EQ(periodogram_min_samples(100, 1e-9, 1e-6, 0.1), kLeastPeriodogramBlocks);
  EXPECT_EQ(periodogram_min_effect(0, 1e-9, 1e-6, 0.1), std::numeric_limits<double>::infinity());
  // Of power 1 + e: P(gamma >= critical) = 1 - beta.
  const double e = periodogram_min_effect(4096, 1e-9, 1e-6, 0.5);
  const double variance = 1 - 2.0 / 4096;  // kurtosis 1
  const GammaLaw larger{4096 * (1 + e), 4096 * variance * (1 + e) * (1 + e)};
  EXPECT_NEAR(
      gamma_lower_quantile(larger, 1e-6) / gamma_upper_quantile({4096, 4096 * variance}, 1e-9 / 2 / 2048), 1,
      1e-9);
}

}  // namespace
}  // namespace dropcheck::stats
