#include "harness/stats/channel_pairs.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <random>
#include <stdexcept>

#include "harness/stats/binomial.hpp"
#include "harness/stats/chi_squared.hpp"
#include "harness/stats/hypergeometric.hpp"

namespace dropcheck::stats {
namespace {

using Rows = std::vector<std::uint64_t>;

/// Streams of `size` entries, bit `t` of stream i from draw(i, t).
template <typename Draw>
Rows rows_of(std::size_t streams, std::uint64_t size, Draw&& draw) {
  const std::size_t words = (size + 63) / 64;
  Rows rows(streams * words, 0);
  for (std::size_t i = 0; i < streams; ++i)
    for (std::uint64_t t = 0; t < size; ++t)
      if (draw(i, t)) rows[i * words + t / 64] |= std::uint64_t{1} << (t % 64);
  return rows;
}

class Coin {
 public:
  explicit Coin(std::uint64_t seed) : engine_(seed) {}
  bool operator()(double p) { return static_cast<double>(engine_() >> 11) * 0x1p-53 < p; }

 private:
  std::mt19937_64 engine_;
};

StreamPairs independent(std::size_t streams, std::uint64_t size, double p, std::uint64_t seed) {
  Coin coin(seed);
  StreamPairs pairs(streams);
  pairs.add(rows_of(streams, size, [&](std::size_t, std::uint64_t) { return coin(p); }), size);
  return pairs;
}

TEST(StreamPairs, CountLikeAnEntryByEntryLoop) {
  for (const std::uint64_t size :
       {std::uint64_t{1}, std::uint64_t{63}, std::uint64_t{64}, std::uint64_t{65}, std::uint64_t{200}}) {
    Coin coin(size);
    std::vector<std::vector<bool>> bits(5, std::vector<bool>(size));
    for (auto& row : bits)
      for (std::uint64_t t = 0; t < size; ++t) row[t] = coin(0.4);
    StreamPairs pairs(5);
    pairs.add(rows_of(5, size, [&](std::size_t i, std::uint64_t t) { return bool{bits[i][t]}; }), size);
    EXPECT_EQ(pairs.entries(), size);
    for (std::size_t i = 0; i < 5; ++i) {
      std::uint64_t drops = 0;
      for (std::uint64_t t = 0; t < size; ++t) drops += bits[i][t] ? 1u : 0u;
      EXPECT_EQ(pairs.drops(i), drops);
      for (std::size_t j = i + 1; j < 5; ++j) {
        std::uint64_t both = 0;
        for (std::uint64_t t = 0; t < size; ++t) both += bits[i][t] && bits[j][t] ? 1u : 0u;
        EXPECT_EQ(pairs.both(i, j), both);
      }
    }
  }
}

TEST(StreamPairs, MergeLikeOneStreamAfterTheOther) {
  const Rows a = rows_of(3, 70, [](std::size_t i, std::uint64_t t) { return (t * (i + 2)) % 5 == 0; });
  const Rows b = rows_of(3, 130, [](std::size_t i, std::uint64_t t) { return (t + i) % 3 == 0; });
  StreamPairs whole(3), first(3), second(3), turned(3);
  whole.add(a, 70);
  whole.add(b, 130);
  first.add(a, 70);
  second.add(b, 130);
  turned.merge(second);
  turned.merge(first);
  first.merge(second);
  for (const StreamPairs* merged : {&first, &turned}) {
    EXPECT_EQ(merged->entries(), 200u);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(merged->drops(i), whole.drops(i));
      for (std::size_t j = i + 1; j < 3; ++j) EXPECT_EQ(merged->both(i, j), whole.both(i, j));
    }
  }
  EXPECT_THROW(first.merge(StreamPairs(4)), std::domain_error);
  EXPECT_THROW(first.add(a, 200), std::domain_error);
}

// Formula of the moments against all 2^(streams n) masks, each with its probability.
TEST(PairSum, MomentsMatchEnumeration) {
  struct Case {
    std::size_t streams;
    std::uint64_t n;
    double p;
    bool without_first_pair;
  };
  for (const Case& c : {Case{3, 4, 0.1, false}, Case{3, 5, 0.5, false}, Case{4, 4, 0.3, false},
                        Case{2, 7, 0.9, false}, Case{4, 4, 0.2, true}}) {
    const PairChoice choice = c.without_first_pair
                                  ? PairChoice([](std::size_t i, std::size_t j) { return i != 0 || j != 1; })
                                  : PairChoice{};
    const std::uint64_t bits = c.streams * c.n;
    const double v = c.p * (1 - c.p);
    long double mean = 0, square = 0;
    for (std::uint64_t mask = 0; mask < std::uint64_t{1} << bits; ++mask) {
      long double q = 0;
      for (std::size_t i = 0; i + 1 < c.streams; ++i)
        for (std::size_t j = i + 1; j < c.streams; ++j) {
          if (choice && !choice(i, j)) continue;
          long double s = 0;
          for (std::uint64_t t = 0; t < c.n; ++t) {
            const double a = static_cast<double>((mask >> (i * c.n + t)) & 1u) - c.p;
            const double b = static_cast<double>((mask >> (j * c.n + t)) & 1u) - c.p;
            s += static_cast<long double>(a) * b;
          }
          q += s * s;
        }
      q /= static_cast<long double>(static_cast<double>(c.n) * v * v);
      const int drops = __builtin_popcountll(mask);
      const long double weight = std::pow(static_cast<long double>(c.p), drops) *
                                 std::pow(1 - static_cast<long double>(c.p), static_cast<int>(bits) - drops);
      mean += weight * q;
      square += weight * q * q;
    }
    const PairSumLaw law = pair_sum_law(c.streams, c.n, c.p, choice);
    EXPECT_NEAR(law.mean, static_cast<double>(mean), 1e-9);
    EXPECT_NEAR(law.variance / static_cast<double>(square - mean * mean), 1, 1e-9) << c.streams << " " << c.p;
  }
}

TEST(PairSum, ChoiceOfAllPairsIsNoChoice) {
  const auto all = [](std::size_t, std::size_t) { return true; };
  const PairSumLaw a = pair_sum_law(17, 1000, 0.2), b = pair_sum_law(17, 1000, 0.2, all);
  EXPECT_DOUBLE_EQ(a.mean, b.mean);
  EXPECT_DOUBLE_EQ(a.variance, b.variance);
  EXPECT_EQ(chosen_pairs(17), 136u);
  EXPECT_EQ(chosen_pairs(17, all), 136u);
}

TEST(PairSum, ValueIsTheDefinition) {
  const StreamPairs pairs = independent(16, 30000, 0.3, 5);
  const double p = 0.3, v = p * (1 - p), n = 30000;
  long double sum = 0;
  for (std::size_t i = 0; i < 16; ++i)
    for (std::size_t j = i + 1; j < 16; ++j) {
      const long double s =
          static_cast<long double>(pairs.both(i, j)) -
          static_cast<long double>(p) * static_cast<long double>(pairs.drops(i) + pairs.drops(j)) +
          static_cast<long double>(n) * p * p;
      sum += s * s;
    }
  EXPECT_NEAR(pair_sum(pairs, p).value / static_cast<double>(sum / static_cast<long double>(n * v * v)), 1,
              1e-9);
}

TEST(PairSum, CountsGiveTheSameValue) {
  const StreamPairs pairs = independent(16, 30000, 0.3, 6);
  const auto some = [](std::size_t i, std::size_t j) { return i + j != 7; };
  for (const PairChoice& choice : {PairChoice{}, PairChoice(some)}) {
    const PairSumCounts c = pair_sum_counts(pairs, choice);
    const long double p = 0.3, n = 30000, v = p * (1 - p);
    const auto number = [](Int128 x) { return static_cast<long double>(x); };
    const long double sum = number(c.both_squared) - 2 * p * number(c.both_times_drops) +
                            2 * n * p * p * number(c.both) + p * p * number(c.drops_squared) -
                            2 * n * p * p * p * number(c.drops) + number(c.pairs) * n * n * p * p * p * p;
    EXPECT_NEAR(pair_sum(pairs, 0.3, choice).value / static_cast<double>(sum / (n * v * v)), 1, 1e-9);
    EXPECT_EQ(static_cast<std::uint64_t>(c.pairs), chosen_pairs(16, choice));
  }
}

// The part of the tail that comes from pairs that are not normal. E exp(theta S^2) of one pair is the mean of
// the pair's own moment generating function over a normal variable, so the exponential moment of Q, at the
// gamma law's saddlepoint, follows from the exact cumulants. (Cut off where a single pair alone would make
// Q.)
double exact_over_gamma(std::size_t streams, double n, double p, double alpha) {
  const double pairs = static_cast<double>(streams) * (static_cast<double>(streams) - 1) / 2;
  const double q = 1 - p, v = p * q, kappa = (1 - 3 * v) / v;
  const double variance = pairs * (2 + (kappa * kappa - 3) / n);
  const double scale = variance / pairs, shape = pairs / scale;
  double low = pairs, high = 20 * pairs + 200;
  while (high - low > 1e-6) {
    const double middle = (low + high) / 2;
    (chi_squared_upper(2 * middle / scale, 2 * shape).p_value > alpha ? low : high) = middle;
  }
  const double x = low, theta = (1 - pairs / x) / scale, unit = std::sqrt(n) * v;
  const double most = 0.8 * std::sqrt(x - pairs + 1) / std::sqrt(2 * theta), step = most / 20000;
  double moment = 0;
  for (double g = -most; g <= most; g += step) {
    const double t = std::sqrt(2 * theta) * g / unit;
    const double ln_mgf = n * std::log1p(q * q * std::expm1(t * p * p) + 2 * v * std::expm1(-t * v) +
                                         p * p * std::expm1(t * q * q));
    moment += step * std::exp(ln_mgf - g * g / 2) / std::sqrt(2 * std::numbers::pi);
  }
  return std::exp(pairs * std::log(moment) + shape * std::log1p(-scale * theta));
}

TEST(PairSum, GammaLawHoldsWhereItIsDeclaredValid) {
  for (const auto& [streams, p] : std::vector<std::pair<std::size_t, double>>{
           {8, 0.1}, {8, 0.3}, {16, 0.1}, {16, 0.9}, {32, 0.1}, {64, 0.1}, {64, 0.01}, {128, 0.2}}) {
    std::uint64_t n = 16;
    while (!pair_sum_is_valid(streams, n, p)) n += n / 16 + 1;  // the smallest that is accepted
    EXPECT_NEAR(exact_over_gamma(streams, static_cast<double>(n), p, 1e-6), 1.0, 0.1) << streams << " " << p;
    EXPECT_NEAR(exact_over_gamma(streams, static_cast<double>(n), p, 1e-9), 1.03, 0.15)
        << streams << " " << p;
    if (p == 0.1 && streams <= 16) {  // a tenth of that is far off: the predicate is not idle
      EXPECT_GT(exact_over_gamma(streams, static_cast<double>(n) / 10, p, 1e-9), 2.0) << streams;
    }
  }
}

TEST(PairSum, RefusesWhereTheLawDoesNotHold) {
  EXPECT_FALSE(pair_sum_is_valid(7, 1 << 20, 0.5));  // 21 pairs
  EXPECT_FALSE(pair_sum_is_valid(256, 1000, 0.1));   // the variance is not chi-squared's
  EXPECT_FALSE(pair_sum_is_valid(8, 4096, 0.1));     // skewed pairs
  EXPECT_FALSE(pair_sum_is_valid(64, 0, 0.1));
  EXPECT_FALSE(pair_sum_is_valid(64, 1 << 20, 0.0));
  EXPECT_TRUE(pair_sum_is_valid(256, 1 << 16, 0.1));
  EXPECT_THROW(pair_sum(independent(8, 100, 0.1, 1), 0.1), std::domain_error);
}

TEST(PairSum, IsCalibratedOnIndependentStreams) {
  constexpr int kRuns = 1500;
  std::uint64_t rejected[2] = {0, 0};
  for (int run = 0; run < kRuns; ++run) {
    const double p =
        pair_sum(independent(12, 1024, 0.4, 100 + static_cast<std::uint64_t>(run)), 0.4).tail.p_value;
    rejected[0] += p <= 0.05 ? 1u : 0u;
    rejected[1] += p <= 0.01 ? 1u : 0u;
  }
  EXPECT_GT(binomial_upper_tail(kRuns, rejected[0], 0.05), 1e-6) << rejected[0];
  EXPECT_GT(binomial_lower_tail(kRuns, rejected[0], 0.05), 1e-6) << rejected[0];
  EXPECT_GT(binomial_upper_tail(kRuns, rejected[1], 0.01), 1e-6) << rejected[1];
}

TEST(PairSum, SeesAWeakCommonFactorThatNoPairShows) {
  Coin coin(3);
  std::vector<bool> factor(4096);
  for (std::size_t t = 0; t < factor.size(); ++t) factor[t] = coin(0.5);
  StreamPairs pairs(64);
  pairs.add(rows_of(64, 4096, [&](std::size_t, std::uint64_t t) { return coin(factor[t] ? 0.53 : 0.37); }),
            4096);
  EXPECT_LT(pair_sum(pairs, 0.45).tail.p_value, 1e-12);
  EXPECT_GT(worst_pair(pairs).tail.p_value, 1e-6);
  EXPECT_NEAR(pair_sum(pairs, 0.45).rms_correlation, 0.0064 / (0.45 * 0.55), 0.004);
}

TEST(PairSum, SeesStreamsThatBalanceEachOther) {
  // Exactly one of eight streams is dropped at every entry: every pair has correlation -1/7, so Q rises. When
  // all overlaps are what they are expected to be, Q falls.
  Coin coin(4);
  std::mt19937_64 engine(4);
  StreamPairs one_of_eight(8);
  std::vector<std::size_t> which(20000);
  for (auto& w : which) w = engine() % 8;
  one_of_eight.add(rows_of(8, 20000, [&](std::size_t i, std::uint64_t t) { return which[t] == i; }), 20000);
  EXPECT_LT(pair_sum(one_of_eight, 0.5).tail.p_value, 1e-12);
  StreamPairs balanced(8);  // all 256 combinations equally often
  balanced.add(rows_of(8, 25600, [](std::size_t i, std::uint64_t t) { return ((t >> i) & 1u) != 0; }), 25600);
  const PairSum sum = pair_sum(balanced, 0.5);
  EXPECT_LT(sum.value, 1e-9);
  EXPECT_LT(sum.tail.log10_p, -100);
  EXPECT_TRUE(std::isfinite(sum.tail.log10_p));
  EXPECT_EQ(sum.rms_correlation, 0);
}

TEST(WorstPair, IsTheMinimumOverAllPairsTimesTheirNumber) {
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    const StreamPairs pairs = independent(20, 500, 0.2, seed);
    double smallest = 1;
    for (std::size_t i = 0; i < 20; ++i)
      for (std::size_t j = i + 1; j < 20; ++j)
        smallest =
            std::min(smallest,
                     hypergeometric_two_sided(500, pairs.drops(i), pairs.drops(j), pairs.both(i, j)).p_value);
    const PairOverlap worst = worst_pair(pairs);
    // Candidates are chosen by standardised overlap, whose order differs slightly from that of p-values.
    EXPECT_GE(worst.tail.p_value, std::min(1.0, 190 * smallest) * (1 - 1e-12));
    EXPECT_LE(worst.tail.p_value, std::min(1.0, 190 * smallest * 1.5));
    const PairOverlap alone = pair_overlap(pairs, worst.first, worst.second);
    EXPECT_NEAR(worst.tail.p_value, std::min(1.0, 190 * alone.tail.p_value), 1e-12);
  }
}

TEST(WorstPair, FindsACopyAndAComplementAmongMany) {
  for (const bool complement : {false, true}) {
    Coin coin(8);
    Rows rows = rows_of(50, 640, [&](std::size_t, std::uint64_t) { return coin(0.3); });
    for (std::size_t w = 0; w < 10; ++w)
      rows[41 * 10 + w] = complement ? ~rows[7 * 10 + w] : rows[7 * 10 + w];
    StreamPairs pairs(50);
    pairs.add(rows, 640);
    const PairOverlap worst = worst_pair(pairs);
    EXPECT_EQ(worst.first, 7u);
    EXPECT_EQ(worst.second, 41u);
    EXPECT_NEAR(worst.correlation, complement ? -1 : 1, 1e-12);
    EXPECT_LT(worst.tail.log10_p, -100);
    const auto without = [](std::size_t i, std::size_t j) { return i != 7 || j != 41; };
    EXPECT_GT(worst_pair(pairs, without).tail.p_value, 1e-4);
  }
}

TEST(WorstPair, SaysNothingOfConstantStreams) {
  StreamPairs pairs(3);
  pairs.add(rows_of(3, 100, [](std::size_t i, std::uint64_t) { return i == 1; }), 100);
  EXPECT_EQ(worst_pair(pairs).tail.p_value, 1);
  EXPECT_EQ(worst_pair(pairs).correlation, 0);
  EXPECT_THROW(worst_pair(StreamPairs(1)), std::domain_error);
  EXPECT_THROW(pair_overlap(pairs, 2, 1), std::domain_error);
}

TEST(PairPlanning, SumMatchesTheNoncentralityTable) {
  // Noncentrality of chi-squared with 32640 degrees at level 1e-9 and power 1 - 1e-6; levels are doubled
  // here.
  const double rms = pair_sum_min_effect(256, std::uint64_t{1} << 26, 2e-9, 1e-6, 0.5);
  EXPECT_NEAR(rms / std::sqrt(2873.0 / (32640.0 * 0x1p26)), 1, 0.02);
}

TEST(PairPlanning, SamplesAndEffectsAreInverse) {
  for (const double p : {0.1, 0.5}) {
    const std::uint64_t n = pair_sum_min_samples(64, 1e-3, 1e-9, 1e-6, p);
    EXPECT_LE(pair_sum_min_effect(64, n, 1e-9, 1e-6, p), 1e-3);
    EXPECT_GT(pair_sum_min_effect(64, n - 1, 1e-9, 1e-6, p), 1e-3);
    const std::uint64_t m = worst_pair_min_samples(64, 0.02, 1e-9, 1e-6, p);
    EXPECT_LE(worst_pair_min_effect(64, m, 1e-9, 1e-6, p), 0.02);
  }
  EXPECT_TRUE(std::isinf(pair_sum_min_effect(256, 100, 1e-9, 1e-6, 0.1)));
  EXPECT_THROW(pair_sum_min_samples(4, 0.1, 1e-9, 1e-6, 0.1), std::domain_error);
}

TEST(PairPlanning, TheStatedEffectIsCaught) {
  // Streams with a common factor of the stated rms correlation: power 1/2 needs less than the stated 1 -
  // beta.
  const std::uint64_t n = 2048;
  const double p = 0.5, rms = pair_sum_min_effect(16, n, 1e-3, 1e-3, p);
  const double swing = std::sqrt(rms * p * (1 - p));
  int caught = 0;
  for (std::uint64_t run = 0; run < 60; ++run) {
    Coin coin(run + 1);
    std::vector<bool> factor(n);
    for (std::size_t t = 0; t < n; ++t) factor[t] = coin(0.5);
    StreamPairs pairs(16);
    pairs.add(
        rows_of(16, n, [&](std::size_t, std::uint64_t t) { return coin(p + (factor[t] ? swing : -swing)); }),
        n);
    caught += pair_sum(pairs, p).tail.p_value <= 1e-3 ? 1 : 0;
  }
  EXPECT_GE(caught, 58);
}

}  // namespace
}  // namespace dropcheck::stats
