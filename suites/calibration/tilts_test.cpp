// The ratio of every tilted law to the null one is exact: by enumeration it sums to 1, and masks are drawn
// with the frequencies that it says.
#include "suites/calibration/tilts.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <ostream>

#include "harness/stats/chi_squared.hpp"
#include "suites/calibration/strengths.hpp"
#include "suites/calibration/wave_tilt.hpp"

namespace dropcheck::suites::calibration {
namespace {

constexpr std::uint64_t kSize = 11;  // 2048 masks
constexpr double kP = 0.3;

MaskBits mask_of(std::uint64_t bits, std::uint64_t size = kSize) {
  MaskBits mask(size);
  mask.words()[0] = bits;
  return mask;
}

double null_probability(const MaskBits& mask, double p) {
  const auto drops = static_cast<double>(mask.count());
  return std::pow(p, drops) * std::pow(1 - p, static_cast<double>(mask.size()) - drops);
}

struct Case {
  const char* name;
  std::function<std::unique_ptr<Tilt>()> tilt;
  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }
};

MaskBits seconds_every(std::uint64_t spacing, std::uint64_t first) {
  MaskBits mask(kSize);
  for (std::uint64_t t = first; t < kSize; t += spacing) mask.set(t);
  return mask;
}

std::vector<Case> small_cases() {
  const auto mixture = [](auto model, std::vector<std::vector<ContextRate>> components) {
    return std::make_unique<RateMixture>(std::move(model), std::move(components));
  };
  return {
      {"none", [] { return std::make_unique<NoTilt>(kSize, kP); }},
      {"stretches",
       [=] {
         return mixture(std::make_unique<Stretches>(std::vector<std::uint64_t>{3, 4, kSize}, kP),
                        {{{0, 0.7}, {2, 0.2}}, {{1, 0.05}}});
       }},
      {"classes",
       [=] {
         return mixture(lanes_model(kSize, 7, 3, kP), {{{0, 0.9}}, {{2, 0.1}, {1, 0.45}}, {{1, 0.6}}});
       }},
      {"chain of one",
       [=] {
         return mixture(std::make_unique<Chain>(kSize, std::vector<unsigned>{2}, kP),
                        product_components({-kP, 1 - kP}, 2, 9, kP, {4.0, -2.0}));
       }},
      {"chain of two",
       [=] {
         return mixture(std::make_unique<Chain>(kSize, std::vector<unsigned>{1, 4}, kP),
                        product_components({kP * kP, -kP * (1 - kP), -kP * (1 - kP), (1 - kP) * (1 - kP)}, 3,
                                           7, kP, {3.0, -3.0}));
       }},
      {"partners",
       [=] {
         return mixture(std::make_unique<Partners>(seconds_every(3, 2), 1, kP),
                        product_components({0, -kP, 1 - kP}, 2, 3, kP, {2.0, -2.0}));
       }},
      {"spread",
       [] {
         return std::make_unique<RateSpread>(
             lanes_model(kSize, kSize, 4, kP),
             std::vector<RateSpread::Group>{{{0, 1.0}, {2, -1.0}}, {{3, 1.0}}}, std::vector<double>(4, 3),
             std::vector<double>{1.0, 2.0});
       }},
      {"spread over contexts",
       [] {
         auto chain = std::make_unique<Chain>(kSize, std::vector<unsigned>{1, 2}, kP);
         std::vector<RateSpread::Group> groups;
         for (std::size_t c = 0; c < 4; ++c) groups.push_back({{c, 1.0}});
         return std::make_unique<RateSpread>(std::move(chain), groups, std::vector<double>(5, 2),
                                             std::vector<double>{1.5});
       }},
      {"run of keeps",
       [] {
         return std::make_unique<ForcedRun>(kSize, kP, false, std::vector<std::uint64_t>{5, 9});
       }},
      {"run of drops",
       [] { return std::make_unique<ForcedRun>(kSize, kP, true, std::vector<std::uint64_t>{3}); }},
      {"distances",
       [] {
         const CellLaw cells{{0, 1, 1}, {0.3, 0.357, 0.343}};
         return std::make_unique<GapTilt>(kSize, 3, kP, cells,
                                          std::vector<std::vector<double>>{{0.6, 0.2, 0.2}, {0.1, 0.4, 0.5}},
                                          std::vector<double>{4.0, 20.0});
       }},
  };
}

class SmallTilt : public ::testing::TestWithParam<Case> {};

TEST_P(SmallTilt, RatiosTimesNullProbabilitiesSumToOne) {
  const auto tilt = GetParam().tilt();
  double sum = 0;
  for (std::uint64_t bits = 0; bits < (1u << kSize); ++bits) {
    const MaskBits mask = mask_of(bits);
    sum += null_probability(mask, kP) * std::exp(tilt->log_ratio(mask));
  }
  EXPECT_NEAR(sum, 1, 1e-12);
}

TEST_P(SmallTilt, DrawsWithTheFrequenciesThatItsRatioSays) {
  const auto tilt = GetParam().tilt();
  std::vector<std::uint64_t> seen(1u << kSize, 0);
  std::vector<double> law;
  for (std::uint64_t bits = 0; bits < seen.size(); ++bits) {
    const MaskBits mask = mask_of(bits);
    law.push_back(null_probability(mask, kP) * std::exp(tilt->log_ratio(mask)));
  }
  BitSource source(7);
  MaskBits mask(kSize);
  for (int run = 0; run < 200'000; ++run) {
    tilt->draw(source, mask);
    ++seen[mask.words()[0]];
  }
  const auto fit = stats::pooled_chi_squared(seen, law, 20);
  ASSERT_TRUE(fit);
  EXPECT_GT(fit->cells, 20u);
  EXPECT_GT(fit->tail.p_value, 1e-5) << fit->statistic << " of " << fit->degrees_of_freedom;
}

INSTANTIATE_TEST_SUITE_P(Tilts, SmallTilt, ::testing::ValuesIn(small_cases()), [](const auto& row) {
  std::string name = row.param.name;
  for (char& letter : name) letter = letter == ' ' ? '_' : letter;
  return name;
});

// --- laws of blocks of 64: their ratio depends on counts only

MaskBits two_words(std::uint64_t first, std::uint64_t second) {
  MaskBits mask(128);
  for (std::uint64_t i = 0; i < first; ++i) mask.set(i);
  for (std::uint64_t i = 0; i < second; ++i) mask.set(64 + i);
  return mask;
}

struct BlockCase {
  const char* name;
  std::function<std::unique_ptr<Tilt>()> tilt;
  friend void PrintTo(const BlockCase& c, std::ostream* out) { *out << c.name; }
};

std::vector<BlockCase> block_cases() {
  return {{"counts",
           [] {
             const std::vector<double> null = binomial_law(64, kP);
             std::vector<double> squares;
             for (int c = 0; c <= 64; ++c) squares.push_back((c - 64 * kP) * (c - 64 * kP) / (64 * kP * 0.7));
             return std::make_unique<BlockCountMixture>(
                 128, 64, kP,
                 std::vector<std::vector<double>>{exponentially_tilted(null, squares, 1.6),
                                                  exponentially_tilted(null, squares, 0.5)});
           }},
          {"cells",
           [] {
             return std::make_unique<BlockCellSpread>(128, 64, kP, pooled_cells(binomial_law(64, kP), 0.05),
                                                      std::vector<double>{3.0, 30.0});
           }},
          {"word weights", [] {
             std::vector<ContextRate> rates;
             for (std::size_t w = 0; w <= 64; ++w)
               rates.push_back({w, logit_shifted(kP, 0.02 * (static_cast<double>(w) - 64 * kP))});
             return std::make_unique<RateMixture>(std::make_unique<WordWeights>(2, 1, kP),
                                                  std::vector<std::vector<ContextRate>>{rates, {{65, 0.4}}});
           }}};
}

class BlockTilt : public ::testing::TestWithParam<BlockCase> {};

TEST_P(BlockTilt, RatiosTimesNullProbabilitiesSumToOneAndSayWhatIsDrawn) {
  const auto tilt = GetParam().tilt();
  const std::vector<double> null = binomial_law(64, kP);
  std::vector<double> law(65 * 65);
  double sum = 0;
  for (std::size_t a = 0; a <= 64; ++a) {
    for (std::size_t b = 0; b <= 64; ++b) {
      law[a * 65 + b] = null[a] * null[b] * std::exp(tilt->log_ratio(two_words(a, b)));
      sum += law[a * 65 + b];
    }
  }
  EXPECT_NEAR(sum, 1, 1e-10);
  BitSource source(11);
  MaskBits mask(128);
  std::vector<std::uint64_t> seen(law.size(), 0), places(128, 0);
  std::uint64_t drops = 0;
  constexpr int kRuns = 100'000;
  for (int run = 0; run < kRuns; ++run) {
    tilt->draw(source, mask);
    ++seen[static_cast<std::size_t>(__builtin_popcountll(mask.words()[0])) * 65 +
           static_cast<std::size_t>(__builtin_popcountll(mask.words()[1]))];
    for (std::uint64_t i = 0; i < 128; ++i) places[i] += mask[i] ? 1u : 0u;
    drops += mask.count();
  }
  const auto fit = stats::pooled_chi_squared(seen, law, 20);
  ASSERT_TRUE(fit);
  EXPECT_GT(fit->tail.p_value, 1e-5);
  // Inside a block no place is preferred.
  for (const std::size_t word : {0u, 64u}) {
    std::uint64_t in_word = 0;
    for (std::size_t i = word; i < word + 64; ++i) in_word += places[i];
    const double usual = static_cast<double>(in_word) / 64;
    for (std::size_t i = word; i < word + 64; ++i)
      EXPECT_NEAR(static_cast<double>(places[i]), usual, 6 * std::sqrt(usual)) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Tilts, BlockTilt, ::testing::ValuesIn(block_cases()), [](const auto& row) {
  std::string name = row.param.name;
  for (char& letter : name) letter = letter == ' ' ? '_' : letter;
  return name;
});

TEST(WaveTilt, RatiosAverageToOneBothWays) {
  const WaveTilt tilt(256, 64, 5, kP, {0.3, 0.6});
  BitSource source(3);
  MaskBits mask(256);
  double under_null = 0, inverse_under_tilt = 0;
  constexpr int kRuns = 20'000;
  for (int run = 0; run < kRuns; ++run) {
    fill(mask, Rate(kP), source);
    under_null += std::exp(tilt.log_ratio(mask)) / kRuns;
    tilt.draw(source, mask);
    inverse_under_tilt += std::exp(-tilt.log_ratio(mask)) / kRuns;
  }
  EXPECT_NEAR(under_null, 1, 0.1);
  EXPECT_NEAR(inverse_under_tilt, 1, 0.1);
}

TEST(BitSource, DrawsEveryRateExactlyEnough) {
  BitSource source(5);
  for (const double p : {0.5, 0.3, 0.1, 0.01, 0.999}) {
    MaskBits mask(1 << 20);
    fill(mask, Rate(p), source);
    const double n = static_cast<double>(mask.size());
    EXPECT_NEAR(static_cast<double>(mask.count()), n * p, 6 * std::sqrt(n * p * (1 - p))) << p;
  }
  MaskBits mask(100);
  fill(mask, Rate(1.0), source);
  EXPECT_EQ(mask.count(), 100u);
  fill(mask, 10, 75, Rate(0.0), source);
  EXPECT_EQ(mask.count(), 35u);
  EXPECT_TRUE(mask[9] && !mask[10] && !mask[74] && mask[75]);
}

TEST(BitSource, IsTheSameEverywhere) {
  BitSource a(1), b(1);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.word(), b.word());
}

TEST(BitSource, GammaNumbersHaveTheirMeanAndVariance) {
  BitSource source(9);
  for (const double shape : {0.3, 1.0, 4.5}) {
    double sum = 0, squares = 0;
    constexpr int kRuns = 200'000;
    for (int i = 0; i < kRuns; ++i) {
      const double x = source.gamma(shape);
      sum += x;
      squares += x * x;
    }
    const double mean = sum / kRuns;
    EXPECT_NEAR(mean, shape, 6 * std::sqrt(shape / kRuns)) << shape;
    EXPECT_NEAR(squares / kRuns - mean * mean, shape, 0.05 * shape) << shape;
  }
}

TEST(Strengths, PoolingKeepsOrderAndProbability) {
  const std::vector<double> law = binomial_law(64, 0.1);
  const CellLaw cells = pooled_cells(law, 0.02);
  double sum = 0;
  for (std::size_t c = 0; c < law.size(); ++c) {
    sum += law[c];
    EXPECT_LE(cells.cell_of[c == 0 ? 0 : c - 1], cells.cell_of[c]);
  }
  double pooled = 0;
  for (const double probability : cells.probabilities) {
    EXPECT_GE(probability, 0.02);
    pooled += probability;
  }
  EXPECT_NEAR(pooled, sum, 1e-12);
  EXPECT_EQ(cells.cell_of.back() + 1, cells.probabilities.size());
}

}  // namespace
}  // namespace dropcheck::suites::calibration
