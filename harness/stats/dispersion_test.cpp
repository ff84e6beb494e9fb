#include "harness/stats/dispersion.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <stdexcept>
#include <vector>

#include "harness/stats/binomial.hpp"

namespace dropcheck::stats {
namespace {

// The exact law of D over `cells` (a power of two) blocks at p = numerator / denominator. There (c - bits
// p)^2 is a multiple of 1 / denominator^2, so D is a lattice variable and its law a repeated convolution of
// positive terms, cut at `limit` steps.
class ExactDispersion {
 public:
  ExactDispersion(std::uint64_t bits, std::int64_t numerator, std::int64_t denominator, std::uint64_t cells,
                  double reach)
      : scale_(1) {
    const double p = static_cast<double>(numerator) / static_cast<double>(denominator);
    std::vector<std::int64_t> squares;
    for (std::uint64_t c = 0; c <= bits; ++c) {
      const auto d = static_cast<std::int64_t>(c) * denominator - static_cast<std::int64_t>(bits) * numerator;
      squares.push_back(d * d);
    }
    const std::int64_t smallest = *std::min_element(squares.begin(), squares.end());
    std::int64_t step = 0;
    for (const std::int64_t square : squares) step = std::gcd(step, square - smallest);
    const double unit = static_cast<double>(step) / static_cast<double>(denominator * denominator);
    const double variance = static_cast<double>(bits) * p * (1 - p);
    scale_ = unit / variance;
    first_ = static_cast<double>(cells) * static_cast<double>(smallest) /
             (static_cast<double>(denominator * denominator) * variance);
    const auto m = static_cast<double>(cells);
    limit_ = static_cast<std::size_t>((m + reach * std::sqrt(m * (2 + 1 / variance))) / scale_) + 1;
    law_.assign(limit_, 0);
    for (std::uint64_t c = 0; c <= bits; ++c) {
      const auto at = static_cast<std::size_t>((squares[c] - smallest) / step);
      if (at >= limit_) continue;
      const auto n = static_cast<double>(bits), x = static_cast<double>(c);
      law_[at] += std::exp(std::lgamma(n + 1) - std::lgamma(x + 1) - std::lgamma(n - x + 1) +
                           x * std::log(p) + (n - x) * std::log1p(-p));
    }
    for (std::uint64_t have = 1; have < cells; have *= 2) law_ = squared(law_);
  }

  /// P(D >= d) or P(D <= d), d between lattice points.
  double tail(double d, bool upper) const {
    double sum = 0;
    for (std::size_t i = limit_; i-- > 0;)
      if ((first_ + scale_ * static_cast<double>(i) >= d) == upper) sum += law_[i];
    return sum;
  }
  double lattice_point_near(double d) const { return first_ + scale_ * std::round((d - first_) / scale_); }
  double step() const { return scale_; }

 private:
  std::vector<double> squared(const std::vector<double>& f) const {
    std::size_t last = limit_;
    while (last > 0 && f[last - 1] < 1e-60) --last;  // far beyond any tail that is compared
    std::vector<double> g(limit_, 0);
    for (std::size_t i = 0; i < last; ++i) {
      if (f[i] == 0) continue;
      const std::size_t end = std::min(last, limit_ - i);
      for (std::size_t j = 0; j < end; ++j) g[i + j] += f[i] * f[j];
    }
    return g;
  }
  double scale_, first_ = 0;
  std::size_t limit_ = 0;
  std::vector<double> law_;
};

/// Sums with the D that is wanted, at a p where squares are fine enough, from the identity of D.
struct Row {
  std::uint64_t bits;
  std::int64_t numerator, denominator;
  std::uint64_t cells;
  double tolerance;
};

class DispersionTail : public ::testing::TestWithParam<Row> {};

// Blocks whose counts give a D within half a lattice step of the wanted one: drops are moved between blocks.
BlockSums sums_with(const Row& row, double wanted) {
  const double p = static_cast<double>(row.numerator) / static_cast<double>(row.denominator);
  const double mean = static_cast<double>(row.bits) * p, variance = mean * (1 - p);
  std::mt19937_64 engine(7);
  std::vector<std::int64_t> counts(row.cells);
  for (auto& c : counts) {
    c = 0;
    for (std::uint64_t i = 0; i < row.bits; ++i)
      c += static_cast<double>(engine() >> 11) * 0x1p-53 < p ? 1 : 0;
  }
  const auto square = [&](std::int64_t c) {
    return (static_cast<double>(c) - mean) * (static_cast<double>(c) - mean) / variance;
  };
  double d = 0;
  for (const auto c : counts) d += square(c);
  for (int step = 0; step < 2000000 && std::abs(d - wanted) > 1e-9; ++step) {
    auto& c = counts[engine() % counts.size()];
    const std::int64_t next = c + (engine() % 2 == 0 ? 1 : -1);
    if (next < 0 || next > static_cast<std::int64_t>(row.bits)) continue;
    const double moved = d + square(next) - square(c);
    if (std::abs(moved - wanted) > std::abs(d - wanted)) continue;
    d = moved;
    c = next;
  }
  BlockSums sums{row.cells, 0, 0};
  for (const auto c : counts) {
    sums.drops += c;
    sums.squares += Int128{c} * c;
  }
  return sums;
}

TEST_P(DispersionTail, AgreesWithTheExactConvolution) {
  const Row& row = GetParam();
  const double p = static_cast<double>(row.numerator) / static_cast<double>(row.denominator);
  ASSERT_TRUE(dispersion_is_valid(row.bits, row.cells, p));
  const ExactDispersion exact(row.bits, row.numerator, row.denominator, row.cells, 14);
  const auto m = static_cast<double>(row.cells);
  const double v = static_cast<double>(row.bits) * p * (1 - p);
  const double sd = std::sqrt(m * (2 + (1 - 6 * p * (1 - p)) / v));
  for (const double z : {-6.0, -4.0, -2.5, 2.5, 4.0, 5.5, 7.0}) {
    const DispersionTest test = dispersion_test(row.bits, sums_with(row, m + z * sd), p);
    ASSERT_NEAR((test.statistic - m) / sd, z, 0.2);
    const bool upper = z > 0;
    const double half = upper ? -exact.step() / 2 : exact.step() / 2;
    const double expected = 2 * exact.tail(exact.lattice_point_near(test.statistic) + half, upper);
    EXPECT_NEAR(test.tail.p_value / expected, 1, row.tolerance) << p << " z=" << z << " p=" << expected;
    EXPECT_DOUBLE_EQ(test.variance_ratio, test.statistic / m);
  }
}

INSTANTIATE_TEST_SUITE_P(Laws, DispersionTail,
                         ::testing::Values(Row{64, 1, 10, 256, 0.02}, Row{64, 9, 10, 256, 0.02},
                                           Row{64, 1, 2, 256, 0.03}, Row{64, 3, 16, 256, 0.04},
                                           Row{64, 1, 20, 512, 0.02}, Row{64, 1, 80, 2048, 0.05},
                                           // The worst lattice: one drop expected, squares are whole numbers.
                                           Row{64, 1, 64, 1024, 0.12}, Row{1024, 1, 512, 1024, 0.06},
                                           // Calls of other lengths than powers of two.
                                           Row{67, 1, 2, 256, 0.04}, Row{4099, 1, 4099, 1024, 0.12}),
                         [](const auto& row) {
                           return std::to_string(row.param.bits) + "_" + std::to_string(row.param.numerator) +
                                  "_" + std::to_string(row.param.denominator);
                         });

TEST(DispersionTest, IsPearsonsStatisticOfTheBlocks) {
  BlockSums sums;
  double d = 0;
  std::mt19937_64 engine(3);
  for (int j = 0; j < 300; ++j) {
    const auto c = static_cast<std::int64_t>(engine() % 20);
    ++sums.blocks;
    sums.drops += c;
    sums.squares += Int128{c} * c;
    d += (static_cast<double>(c) - 6.4) * (static_cast<double>(c) - 6.4) / (6.4 * 0.9);
  }
  EXPECT_NEAR(dispersion_test(64, sums, 0.1).statistic, d, 1e-10 * d);
}

TEST(DispersionTest, KeepsItsDigitsWhereSquaresCancel) {
  // Every block at its mean: D = 0 exactly, though the sums of squares are near 2^60.
  const std::uint64_t bits = 65536, blocks = std::uint64_t{1} << 30;
  const auto mean = static_cast<Int128>(bits / 2);
  const BlockSums sums{blocks, mean * static_cast<Int128>(blocks), mean * mean * static_cast<Int128>(blocks)};
  const DispersionTest test = dispersion_test(bits, sums, 0.5);
  EXPECT_EQ(test.statistic, 0.0);
  // All blocks at the mode: its probability to the power of their number, or a bound not far above.
  const double mode = std::lgamma(65537.0) - 2 * std::lgamma(32769.0) - 65536 * std::log(2.0);
  const double truth = mode / std::log(10.0) * static_cast<double>(blocks);
  EXPECT_GE(test.tail.log10_p, truth);
  EXPECT_LE(test.tail.log10_p, 0.8 * truth);
}

TEST(DispersionTest, IsABoundForBlocksThatChanceNeverMakes) {
  // Half of the blocks all dropped: far beyond doubles, and still a finite logarithm.
  const BlockSums sums{1024, 512 * 64, 512 * 64 * 64};
  const DispersionTest test = dispersion_test(64, sums, 0.1);
  EXPECT_LT(test.tail.log10_p, -299);
  EXPECT_TRUE(std::isfinite(test.tail.log10_p));
  // Exactly as many drops as there are blocks times 6 or 7 of 64: the left tail.
  BlockSums even{1024, 0, 0};
  for (int j = 0; j < 1024; ++j) {
    const int c = j % 5 < 3 ? 6 : 7;
    even.drops += c;
    even.squares += c * c;
  }
  const DispersionTest under = dispersion_test(64, even, 0.1);
  EXPECT_LT(under.variance_ratio, 0.1);
  EXPECT_LT(under.tail.log10_p, -200);
}

TEST(DispersionTest, RefusesTooFewBlocks) {
  EXPECT_FALSE(dispersion_is_valid(64, 255, 0.5));
  EXPECT_FALSE(dispersion_is_valid(64, 256, 0.01));
  EXPECT_FALSE(dispersion_is_valid(64, 1 << 20, 0.0));
  EXPECT_TRUE(dispersion_is_valid(64, 256, 0.5));
  EXPECT_THROW(dispersion_test(64, {255, 0, 0}, 0.5), std::domain_error);
}

TEST(DispersionCounts, AreTheSumsOfEveryBlockSizeAndMergeInAnyOrder) {
  std::mt19937_64 engine(9);
  DispersionCounts all, left, right;
  std::array<BlockSums, kDispersionBlocks.size()> expected{};
  for (const std::uint64_t size :
       {kChunkBits, std::uint64_t{65536 * 3 + 1024 * 5 + 64 * 7 + 13}, std::uint64_t{63}, std::uint64_t{1},
        std::uint64_t{1023}, std::uint64_t{65536}}) {
    std::vector<std::uint64_t> words((size + 63) / 64);
    for (auto& word : words) word = engine() & engine();
    if (size % 64 != 0) words.back() &= (std::uint64_t{1} << (size % 64)) - 1;
    for (std::size_t i = 0; i < kDispersionBlocks.size(); ++i)
      for (std::uint64_t b = 0; b + kDispersionBlocks[i] <= size; b += kDispersionBlocks[i]) {
        std::int64_t c = 0;
        for (std::uint64_t w = b / 64; w < (b + kDispersionBlocks[i]) / 64; ++w) c += std::popcount(words[w]);
        ++expected[i].blocks;
        expected[i].drops += c;
        expected[i].squares += Int128{c} * c;
      }
    const Chunk chunk{words, size, Order::logical, 0, 0, 0.25};
    all.add(chunk);
    (size % 2 == 0 ? left : right).add(chunk);
  }
  right.merge(left);
  EXPECT_EQ(all.sums, expected);
  EXPECT_EQ(right.sums, expected);
}

TEST(DispersionMinEffect, IsNearTheFirstOrderFormula) {
  // Z sqrt(2 B / N) with Z = 10.863 at 1e-9 and 1e-6.
  for (const double n : {0x1p26, 0x1p30, 0x1p34}) {
    const auto blocks = static_cast<std::uint64_t>(n / 64);
    const double formula = 10.863 * std::sqrt(2 * 64 / n);
    EXPECT_NEAR(dispersion_min_effect(64, blocks, 1e-9, 1e-6, 0.5) / formula, 1, 0.05) << n;
  }
  EXPECT_TRUE(std::isinf(dispersion_min_effect(65536, 16, 1e-9, 1e-6, 0.1)));
}

TEST(DispersionMinEffect, FallsWithoutAStepWhereItsQuantilesChange) {
  const double before = dispersion_min_effect(64, 999999, 1e-9, 1e-6, 0.5);
  const double after = dispersion_min_effect(64, 1000001, 1e-9, 1e-6, 0.5);
  EXPECT_NEAR(after / before, 1 - 1e-6, 2e-6);
}

TEST(DispersionMinEffect, IsCaughtAsOftenAsItSays) {
  // Blocks that vary more because each has a rate of its own.
  constexpr std::uint64_t kBlocks = 512, kTrials = 400;
  constexpr double kAlpha = 1e-4, kMiss = 0.1, p = 0.3;
  const double effect = dispersion_min_effect(1024, kBlocks, kAlpha, kMiss, p);
  // Var c = B p q + B (B-1) Var(rate).
  const double sd = std::sqrt(effect * p * (1 - p) / 1023);
  std::mt19937_64 engine(11);
  std::normal_distribution<double> rate(p, sd);
  std::uint64_t caught = 0;
  for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
    BlockSums sums{kBlocks, 0, 0};
    for (std::uint64_t j = 0; j < kBlocks; ++j) {
      std::binomial_distribution<int> law(1024, std::clamp(rate(engine), 0.0, 1.0));
      const int c = law(engine);
      sums.drops += c;
      sums.squares += Int128{c} * c;
    }
    if (dispersion_test(1024, sums, p).tail.p_value <= kAlpha) ++caught;
  }
  EXPECT_GT(binomial_lower_tail(kTrials, caught, 1 - kMiss), 1e-6) << caught;
}

TEST(DispersionMinSamples, IsTheOtherWayRound) {
  const std::uint64_t n = dispersion_min_samples(1024, 0.02, 1e-9, 1e-6, 0.1);
  EXPECT_EQ(n % 1024, 0u);
  EXPECT_LE(dispersion_min_effect(1024, n / 1024, 1e-9, 1e-6, 0.1), 0.02);
  EXPECT_GT(dispersion_min_effect(1024, n / 1024 - 1, 1e-9, 1e-6, 0.1), 0.02);
  EXPECT_EQ(dispersion_min_samples(64, 1e-12, 1e-9, 1e-6, 0.1), std::numeric_limits<std::uint64_t>::max());
}

}  // namespace
}  // namespace dropcheck::stats
