#include "harness/stats/mask_pairs.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <stdexcept>
#include <vector>

#include "harness/stats/binomial.hpp"
#include "harness/stats/hypergeometric.hpp"

namespace dropcheck::stats {
namespace {

struct Mask {
  explicit Mask(std::uint64_t size, double p, std::uint64_t seed) : bits(size), words((size + 63) / 64, 0) {
    std::mt19937_64 engine(seed);
    for (std::uint64_t t = 0; t < size; ++t) {
      bits[t] = static_cast<double>(engine() >> 11) * 0x1p-53 < p;
      if (bits[t]) words[t / 64] |= std::uint64_t{1} << (t % 64);
    }
  }
  PackedMask packed() const { return {words, bits.size()}; }
  std::vector<bool> bits;
  std::vector<std::uint64_t> words;
};

OverlapCounts slowly(const Mask& a, const Mask& b, std::int64_t shift) {
  OverlapCounts counts;
  for (std::int64_t t = 0; t < static_cast<std::int64_t>(a.bits.size()); ++t) {
    // A negative shift pairs first[t + |shift|] with second[t].
    const std::int64_t u = t + shift;
    if (u < 0 || u >= static_cast<std::int64_t>(b.bits.size())) continue;
    const bool in_a = a.bits[static_cast<std::size_t>(t)], in_b = b.bits[static_cast<std::size_t>(u)];
    ++counts.n;
    counts.first += in_a ? 1u : 0u;
    counts.second += in_b ? 1u : 0u;
    counts.both += in_a && in_b ? 1u : 0u;
  }
  return counts;
}

TEST(MaskOverlap, CountsLikeAnEntryByEntryLoop) {
  for (const auto& [m, n] : std::vector<std::pair<std::uint64_t, std::uint64_t>>{
           {1, 1}, {64, 64}, {65, 63}, {200, 130}, {130, 200}, {256, 256}, {1000, 999}, {0, 10}, {10, 0}}) {
    const Mask a(m, 0.4, m + 1), b(n, 0.3, n + 2);
    for (const std::int64_t shift : {0, 1, -1, 4, -4, 8, 63, 64, -64, 65, 127, 128, -128, 200, -300, 4096}) {
      OverlapCounts counts;
      add_overlap(counts, a.packed(), b.packed(), shift);
      EXPECT_EQ(counts, slowly(a, b, shift)) << m << " " << n << " " << shift;
      EXPECT_EQ(overlapping_entries(m, n, shift), counts.n);
    }
  }
}

TEST(MaskOverlap, IgnoresBitsPastTheSizes) {
  const std::vector<std::uint64_t> ones(4, ~std::uint64_t{0});
  OverlapCounts counts;
  add_overlap(counts, {ones, 70}, {ones, 200});
  EXPECT_EQ(counts, (OverlapCounts{70, 70, 70, 70}));
  EXPECT_THROW(add_overlap(counts, {ones, 257}, {ones, 10}), std::domain_error);
}

TEST(MaskOverlap, MergesByAddition) {
  OverlapCounts a{10, 3, 4, 1}, b{100, 30, 40, 10}, c = a;
  a.merge(b);
  b.merge(c);
  EXPECT_EQ(a, b);
  EXPECT_EQ(a, (OverlapCounts{110, 33, 44, 11}));
}

TEST(MaskOverlap, CorrelationIsThatOfTheEntries) {
  const Mask a(5000, 0.3, 1), b(5000, 0.6, 2);
  const OverlapCounts counts = slowly(a, b, 0);
  double mean_a = 0, mean_b = 0, covariance = 0, variance_a = 0, variance_b = 0;
  for (std::size_t t = 0; t < 5000; ++t) {
    mean_a += a.bits[t] ? 1.0 / 5000 : 0;
    mean_b += b.bits[t] ? 1.0 / 5000 : 0;
  }
  for (std::size_t t = 0; t < 5000; ++t) {
    const double x = (a.bits[t] ? 1 : 0) - mean_a, y = (b.bits[t] ? 1 : 0) - mean_b;
    covariance += x * y;
    variance_a += x * x;
    variance_b += y * y;
  }
  EXPECT_NEAR(overlap_correlation(counts), covariance / std::sqrt(variance_a * variance_b), 1e-12);
  EXPECT_DOUBLE_EQ(overlap_correlation({100, 30, 30, 30}), 1);
  EXPECT_DOUBLE_EQ(overlap_correlation({100, 30, 70, 0}), -1);
  EXPECT_EQ(overlap_correlation({100, 0, 70, 0}), 0);
  EXPECT_EQ(overlap_correlation({}), 0);
}

TEST(MaskOverlap, TestIsHypergeometricAndNeedsNoRate) {
  EXPECT_EQ(overlap_test({}).p_value, 1);
  EXPECT_EQ(overlap_test({1000, 0, 300, 0}).p_value, 1);
  // 30 drops chosen twice from 100: P(all in common) = 1 / (100 choose 30).
  EXPECT_NEAR(overlap_test({100, 30, 30, 30}).log10_p,
              std::log10(2.0) - (std::lgamma(101.0) - std::lgamma(31.0) - std::lgamma(71.0)) / std::log(10.0),
              1e-9);
  const OverlapCounts seen{1 << 20, 104000, 105500, 10900};
  EXPECT_EQ(overlap_test(seen).p_value, hypergeometric_two_sided(1 << 20, 104000, 105500, 10900).p_value);
}

TEST(Hamming, DistanceIsTheNumberOfEntriesThatDiffer) {
  const Mask a(777, 0.3, 1), b(777, 0.3, 2);
  std::uint64_t differing = 0;
  for (std::size_t t = 0; t < 777; ++t) differing += a.bits[t] != b.bits[t] ? 1u : 0u;
  const OverlapCounts counts = slowly(a, b, 0);
  EXPECT_EQ(differing_entries(counts), differing);
}

}  // namespace
}  // namespace dropcheck::stats
