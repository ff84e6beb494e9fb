#include "harness/stats/e_process.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <boost/math/special_functions/gamma.hpp>
#include <boost/multiprecision/cpp_bin_float.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

#include "harness/stats/binomial.hpp"

namespace dropcheck::stats {
namespace {

using Digits50 = boost::multiprecision::cpp_bin_float_50;

const std::vector<double> kRates{0.5, 0.1, 0.3, 0.9, 0.01, 0.997};

// The definition, with no help from algebra.
double exact_beta_binomial(const DropCounts& c, double p, double kappa) {
  const Digits50 rate = p, keep = 1 - rate, a = kappa * rate, b = kappa * keep, x = c.x, y = c.n - c.x;
  const auto ln_beta = [](const Digits50& u, const Digits50& v) {
    return Digits50(boost::math::lgamma(u) + boost::math::lgamma(v) - boost::math::lgamma(Digits50(u + v)));
  };
  const Digits50 ln = ln_beta(a + x, b + y) - ln_beta(a, b) - x * log(rate) - y * log(keep);
  return static_cast<double>(ln);
}

double exact_lag(const PairProducts& c, double p) {
  const Digits50 rate = p, keep = 1 - rate;
  const Digits50 both = c.n11, one = c.n1L + c.n1R - 2 * c.n11, none = c.n + c.n11 - c.n1L - c.n1R;
  const Digits50 larger = rate > keep ? rate : keep;
  Digits50 sum = 0;
  for (int j = 2; j <= 13; ++j) {
    for (const int sign : {1, -1}) {
      const Digits50 step = ldexp(Digits50(1), -j);
      const Digits50 lambda = sign > 0 ? Digits50(step / (rate * keep)) : Digits50(-step / (larger * larger));
      sum += exp(both * log(1 + lambda * keep * keep) + one * log(1 - lambda * rate * keep) +
                 none * log(1 + lambda * rate * rate));
    }
  }
  return static_cast<double>(Digits50(log(sum / 24)));
}

std::uint64_t shifted(std::uint64_t n, double p, double deviations) {
  const double size = static_cast<double>(n);
  const double x = std::round(size * p + deviations * std::sqrt(size * p * (1 - p)));
  return static_cast<std::uint64_t>(std::clamp(x, 0.0, size));
}

double tolerance(double value) { return 1e-6 + 1e-13 * std::abs(value); }

TEST(BetaBinomialE, MatchesFiftyDigits) {
  for (const double p : {0.5, 0.1, 0.01, 0.999, 1e-6}) {
    for (const int power : {0, 1, 5, 10, 20, 34, 44}) {
      const std::uint64_t n = std::uint64_t{1} << power;
      for (const double z : {0.0, -3.0, 8.0, 40.0}) {
        const DropCounts counts{n, shifted(n, p, z)};
        for (const double kappa : {0.5, kPriorSizes[0], kPriorSizes[2], kPriorSizes[4]}) {
          const double exact = exact_beta_binomial(counts, p, kappa);
          EXPECT_NEAR(ln_beta_binomial_e(counts, p, kappa), exact, tolerance(exact))
              << p << " " << n << " " << z << " " << kappa;
        }
      }
    }
  }
}

TEST(BetaBinomialE, MatchesFiftyDigitsAtTheEndsOfTheRange) {
  const std::uint64_t n = std::uint64_t{1} << 44;
  for (const double p : {0.5, 0.1}) {
    for (const std::uint64_t x : {std::uint64_t{0}, std::uint64_t{1}, n - 1, n}) {
      const double exact = exact_beta_binomial({n, x}, p, kPriorSizes[1]);
      EXPECT_NEAR(ln_beta_binomial_e({n, x}, p, kPriorSizes[1]), exact, tolerance(exact)) << p << " " << x;
    }
  }
}

TEST(BetaBinomialE, IsCloseToItsNormalApproximation) {
  // ln E ~ ln(kappa / (kappa + n)) / 2 + (n / (n + kappa)) z^2 / 2
  const std::uint64_t n = std::uint64_t{1} << 24;
  const double size = static_cast<double>(n);
  for (const double z : {0.0, 2.0, 6.0, 8.0}) {
    const double kappa = 1e5;
    const double rough = 0.5 * std::log(kappa / (kappa + size)) + size / (size + kappa) * z * z / 2;
    EXPECT_NEAR(ln_beta_binomial_e({n, shifted(n, 0.1, z)}, 0.1, kappa), rough, 0.07) << z;
  }
}

TEST(BetaBinomialE, OfOneMoreEntryHasTheSameMean) {
  // Martingale: p E(n + 1, x + 1) + q E(n + 1, x) = E(n, x).
  for (const double p : kRates) {
    for (const int power : {3, 12, 24, 40}) {
      const std::uint64_t n = std::uint64_t{1} << power;
      for (const double z : {-4.0, 0.0, 5.0}) {
        const std::uint64_t x = shifted(n, p, z);
        for (const double kappa : kPriorSizes) {
          const double now = ln_beta_binomial_e({n, x}, p, kappa);
          const double mean = p * std::exp(ln_beta_binomial_e({n + 1, x + 1}, p, kappa) - now) +
                              (1 - p) * std::exp(ln_beta_binomial_e({n + 1, x}, p, kappa) - now);
          EXPECT_NEAR(mean, 1.0, 1e-10) << p << " " << n << " " << z << " " << kappa;
        }
      }
    }
  }
}

// The mask `bits` of n entries, cut off after `length`: what a monitor has seen by then.
PairProducts pairs_of(std::uint32_t bits, unsigned length, unsigned lag) {
  PairProducts pairs;
  if (length <= lag) return pairs;
  const std::uint32_t all = (std::uint32_t{1} << (length - lag)) - 1;
  const std::uint32_t left = bits & all, right = (bits >> lag) & all;
  const auto count = [](std::uint32_t word) { return static_cast<std::uint64_t>(std::popcount(word)); };
  return {count(left & right), count(left), count(right), length - lag};
}

DropCounts drops_of(std::uint32_t bits, unsigned length) {
  const std::uint32_t seen = bits & ((std::uint32_t{1} << length) - 1);
  return {length, static_cast<std::uint64_t>(std::popcount(seen))};
}

double ln_contexts(const PairProducts& pairs, double p) { return ln_context_e(left_contexts(pairs), p); }

// Mean of E over all masks, and the probability that it ever reaches `threshold`, by enumeration.
struct Enumerated {
  double mean = 0, crossed = 0;
};

template <typename LnE>
Enumerated enumerate(unsigned n, double p, double threshold, const LnE& ln_e) {
  Enumerated found;
  for (std::uint32_t bits = 0; bits < (std::uint32_t{1} << n); ++bits) {
    const int drops = std::popcount(bits);
    const double weight = std::pow(p, drops) * std::pow(1 - p, static_cast<int>(n) - drops);
    found.mean += weight * std::exp(ln_e(bits, n));
    bool crossed = false;
    for (unsigned length = 1; length <= n && !crossed; ++length)
      crossed = ln_e(bits, length) >= std::log(threshold);
    if (crossed) found.crossed += weight;
  }
  return found;
}

TEST(EProcess, OfTheRateHasMeanOneAndObeysVilleOnAllMasks) {
  for (const double p : kRates) {
    for (const double kappa : {1.0, 64.0}) {
      const auto found = enumerate(10, p, 3, [&](std::uint32_t bits, unsigned length) {
        return ln_beta_binomial_e(drops_of(bits, length), p, kappa);
      });
      EXPECT_NEAR(found.mean, 1.0, 1e-12) << p;
      EXPECT_LE(found.crossed, 1.0 / 3);
    }
    const auto mixed = enumerate(
        9, p, 1.2, [&](std::uint32_t bits, unsigned length) { return ln_rate_e(drops_of(bits, length), p); });
    EXPECT_NEAR(mixed.mean, 1.0, 1e-12) << p;
    EXPECT_LE(mixed.crossed, 1 / 1.2);
  }
}

TEST(EProcess, OfContextsHasMeanOneAndObeysVilleOnAllMasks) {
  for (const double p : kRates) {
    for (const unsigned lag : {1u, 3u}) {
      const auto found = enumerate(9, p, 1.2, [&](std::uint32_t bits, unsigned length) {
        return ln_contexts(pairs_of(bits, length, lag), p);
      });
      EXPECT_NEAR(found.mean, 1.0, 1e-12) << p << " " << lag;
      EXPECT_LE(found.crossed, 1 / 1.2);
    }
  }
}

TEST(EProcess, OfALagHasMeanOneAndObeysVilleOnAllMasks) {
  bool ever = false;
  for (const double p : kRates) {
    for (const unsigned lag : {1u, 2u, 5u}) {
      const auto found = enumerate(10, p, 1.5, [&](std::uint32_t bits, unsigned length) {
        return ln_lag_e(pairs_of(bits, length, lag), p);
      });
      EXPECT_NEAR(found.mean, 1.0, 1e-12) << p << " " << lag;
      EXPECT_LE(found.crossed, 1 / 1.5);
      ever = ever || found.crossed > 0;
    }
  }
  EXPECT_TRUE(ever);
}

TEST(EProcess, OfTheRateIsRarelyLargeHoweverOftenOneLooks) {
  // Exact probability that E reaches 1/alpha within n entries, looking at each: paths that have not are
  // carried on over the lattice of counts.
  for (const double p : {0.5, 0.1}) {
    for (const double alpha : {0.05, 0.01}) {
      const unsigned n = 1500;
      std::vector<double> alive{1.0};
      double crossed = 0;
      for (unsigned length = 1; length <= n; ++length) {
        std::vector<double> next(length + 1, 0.0);
        for (unsigned x = 0; x < length; ++x) {
          if (alive[x] == 0) continue;
          next[x] += alive[x] * (1 - p);
          next[x + 1] += alive[x] * p;
        }
        for (unsigned x = 0; x <= length; ++x) {
          if (next[x] < 1e-12 || ln_beta_binomial_e({length, x}, p, 64) < -std::log(alpha)) continue;
          crossed += next[x];
          next[x] = 0;
        }
        alive = std::move(next);
      }
      EXPECT_LE(crossed, alpha) << p;
      EXPECT_GT(crossed, 0.4 * alpha) << p;
    }
  }
}

// One entry after the other.
class Stream {
 public:
  explicit Stream(std::uint64_t seed) : random_(seed) {}

  /// Entries whose rate after a drop is larger by `step`.
  void extend(unsigned entries, double p, double step) {
    for (unsigned i = 0; i < entries; ++i) {
      const bool drop = uniform_(random_) < p + (last_ ? step : 0.0);
      if (started_) {
        ++pairs_.n;
        pairs_.n1L += last_ ? 1u : 0u;
        pairs_.n1R += drop ? 1u : 0u;
        pairs_.n11 += last_ && drop ? 1u : 0u;
      }
      last_ = drop;
      started_ = true;
    }
  }
  const PairProducts& pairs() const { return pairs_; }

 private:
  std::mt19937_64 random_;
  std::uniform_real_distribution<double> uniform_{0.0, 1.0};
  PairProducts pairs_;
  bool last_ = false, started_ = false;
};

TEST(EProcess, OfContextsAndLagsAreRarelyLargeInSimulatedStreams) {
  const std::uint64_t streams = 1000;
  for (const double p : {0.5, 0.1}) {
    std::uint64_t contexts = 0, lags = 0;
    for (std::uint64_t seed = 0; seed < streams; ++seed) {
      Stream stream(seed);
      bool context_crossed = false, lag_crossed = false;
      for (int look = 0; look < 50; ++look) {
        stream.extend(64, p, 0);
        context_crossed = context_crossed || ln_contexts(stream.pairs(), p) >= std::log(20.0);
        lag_crossed = lag_crossed || ln_lag_e(stream.pairs(), p) >= std::log(20.0);
      }
      contexts += context_crossed ? 1u : 0u;
      lags += lag_crossed ? 1u : 0u;
    }
    EXPECT_GT(binomial_upper_tail(streams, contexts, 0.05), 1e-6) << contexts;
    EXPECT_GT(binomial_upper_tail(streams, lags, 0.05), 1e-6) << lags;
  }
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

TEST(EProcess, FindsAWrongRateSoonAfterTheBestFixedTestWould) {
  // ln E ~ (n/(n + kappa)) z^2/2 - ln(1 + n/kappa)/2 reaches ln 1e9 at n = 4.17e6 when z = error sqrt(n/v);
  // half of the streams are there a little sooner, since E need only touch it. A test of fixed size tuned to
  // that error has power 1/2 at 3.36e6.
  const double p = 0.1, error = 1e-3, threshold = std::log(1e9);
  std::vector<double> best, mixed;
  for (std::uint64_t seed = 0; seed < 600; ++seed) {
    std::mt19937_64 random(seed);
    std::binomial_distribution<std::uint64_t> night(1 << 16, p + error);
    DropCounts counts;
    bool best_open = true, mixed_open = true;
    while (best_open || mixed_open) {
      counts.n += 1 << 16;
      counts.x += night(random);
      const double n = static_cast<double>(counts.n);
      if (best_open && ln_beta_binomial_e(counts, p, 0.09 / (error * error)) >= threshold) {
        best.push_back(n);
        best_open = false;
      }
      if (mixed_open && ln_rate_e(counts, p) >= threshold) {
        mixed.push_back(n);
        mixed_open = false;
      }
      ASSERT_LT(n, 5e7);
    }
  }
  EXPECT_NEAR(median(best) / 4.17e6, 0.97, 0.07);
  EXPECT_NEAR(median(mixed) / median(best), 1.08, 0.06);  // the price of not knowing the error
}

TEST(EProcess, FindsADependenceSoonAfterTheBestFixedTestWould) {
  // Correlation 0.03 at p = 0.1, level 1e-9: a fixed test that knows it has power 1/2 at 4.15e4 entries.
  const double p = 0.1, rho = 0.03, threshold = std::log(1e9);
  std::vector<double> contexts, lags;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Stream stream(seed);
    bool contexts_open = true, lags_open = true;
    while (contexts_open || lags_open) {
      stream.extend(1024, p * (1 - rho), rho);  // the rate stays p
      const double n = static_cast<double>(stream.pairs().n);
      if (contexts_open && ln_contexts(stream.pairs(), p) >= threshold) {
        contexts.push_back(n);
        contexts_open = false;
      }
      if (lags_open && ln_lag_e(stream.pairs(), p) >= threshold) {
        lags.push_back(n);
        lags_open = false;
      }
      ASSERT_LT(n, 1e6);
    }
  }
  EXPECT_LT(median(contexts), 2.1 * 4.15e4);
  EXPECT_LT(median(lags), 1.7 * 4.15e4);
  EXPECT_GT(median(lags), 1.0 * 4.15e4);
}

TEST(LagE, MatchesFiftyDigits) {
  for (const double p : {0.5, 0.1, 0.01, 0.999}) {
    for (const int power : {4, 12, 24, 44}) {
      const std::uint64_t n = std::uint64_t{1} << power;
      const double size = static_cast<double>(n);
      for (const double z : {0.0, -2.0, 5.0, 20.0}) {
        PairProducts pairs;
        pairs.n = n;
        pairs.n1L = shifted(n, p, 1);
        pairs.n1R = shifted(n, p, -1);
        const double expected = static_cast<double>(pairs.n1L) * static_cast<double>(pairs.n1R) / size;
        pairs.n11 =
            static_cast<std::uint64_t>(std::clamp(std::round(expected + z * std::sqrt(size) * p * (1 - p)),
                                                  0.0, static_cast<double>(std::min(pairs.n1L, pairs.n1R))));
        if (!is_possible(pairs)) continue;
        const double exact = exact_lag(pairs, p);
        EXPECT_NEAR(ln_lag_e(pairs, p), exact, tolerance(exact)) << p << " " << n << " " << z;
      }
    }
  }
}

TEST(LagE, SeesBothSignsAtEveryRate) {
  for (const double p : kRates) {
    const std::uint64_t n = std::uint64_t{1} << 30;
    const std::uint64_t drops = shifted(n, p, 0);
    const double lowest = -std::min(p / (1 - p), (1 - p) / p);
    for (const double rho : {0.01, 0.01 * lowest}) {
      const double both = static_cast<double>(n) * (p * p + rho * p * (1 - p));
      const PairProducts pairs{static_cast<std::uint64_t>(both), drops, drops, n};
      ASSERT_TRUE(is_possible(pairs)) << p << " " << rho;
      // The likelihood ratio at the best lambda is worth about n rho^2 / 2.
      const double best = static_cast<double>(n) * rho * rho / 2;
      EXPECT_GT(ln_lag_e(pairs, p), 0.5 * best - 10) << p << " " << rho;
      EXPECT_LT(ln_lag_e(pairs, p), 1.5 * best + 10) << p << " " << rho;
    }
  }
}

TEST(PairContexts, AreCheckedForConsistency) {
  EXPECT_TRUE(is_possible({}));
  EXPECT_TRUE(is_possible({3, 5, 6, 10}));
  EXPECT_TRUE(is_possible({1, 5, 6, 10}));
  EXPECT_FALSE(is_possible({0, 5, 6, 10}));  // 11 different drops of 10 pairs
  EXPECT_FALSE(is_possible({6, 5, 6, 10}));
  EXPECT_FALSE(is_possible({3, 11, 3, 10}));
  EXPECT_FALSE(is_possible({3, 3, 11, 10}));
  EXPECT_THROW(ln_lag_e({6, 5, 6, 10}, 0.5), std::domain_error);
  EXPECT_THROW(left_contexts({6, 5, 6, 10}), std::domain_error);
  const auto contexts = left_contexts({3, 5, 6, 10});
  EXPECT_EQ(contexts[0].n, 5u);
  EXPECT_EQ(contexts[0].x, 3u);
  EXPECT_EQ(contexts[1].n, 5u);
  EXPECT_EQ(contexts[1].x, 3u);
}

TEST(MeanE, IsTheLogarithmOfTheMean) {
  EXPECT_NEAR(ln_mean_e(std::vector<double>{std::log(2.0), std::log(6.0)}), std::log(4.0), 1e-15);
  const double none = -std::numeric_limits<double>::infinity();
  EXPECT_NEAR(ln_mean_e(std::vector<double>{none, 1e6, none, 1e6}), 1e6 - std::log(2.0), 1e-9);
  EXPECT_NEAR(ln_mean_e(std::vector<double>{-1e6, -1e6 - 1}), -1e6 + std::log((1 + std::exp(-1.0)) / 2),
              1e-9);
  EXPECT_EQ(ln_mean_e(std::vector<double>{none, none}), none);
  EXPECT_THROW(ln_mean_e(std::vector<double>{}), std::domain_error);
  EXPECT_THROW(ln_mean_e(std::vector<double>{std::nan("")}), std::domain_error);
}

TEST(RateE, SaysNothingAboutNoEntries) {
  EXPECT_EQ(ln_rate_e({}, 0.3), 0.0);
  EXPECT_NEAR(ln_lag_e({}, 0.3), 0.0, 1e-15);
  EXPECT_EQ(ln_context_e({}, 0.3), 0.0);
}

TEST(RateE, RefusesImpossibleArguments) {
  EXPECT_THROW(ln_rate_e({10, 11}, 0.5), std::domain_error);
  for (const double p : {0.0, 1.0, -0.1, std::nan("")}) {
    EXPECT_THROW(ln_rate_e({10, 5}, p), std::domain_error);
    EXPECT_THROW(ln_lag_e({3, 5, 5, 10}, p), std::domain_error);
  }
  EXPECT_THROW(ln_beta_binomial_e({10, 5}, 0.5, 0.0), std::domain_error);
  EXPECT_THROW(ln_rate_e({(std::uint64_t{1} << 53) + 1, 5}, 0.5), std::domain_error);
}

TEST(ConfidenceSequence, ExcludesARateExactlyWhenTheEvidenceDoes) {
  for (const auto& [n, x] : std::vector<std::pair<std::uint64_t, std::uint64_t>>{
           {20, 3},
           {1000, 2},
           {1000, 998},
           {1 << 20, 104000},
           {std::uint64_t{1} << 40, std::uint64_t{1} << 38}}) {
    for (const double alpha : {0.05, 1e-8}) {
      const Interval interval = rate_confidence_sequence({n, x}, alpha);
      const double threshold = -std::log(alpha);
      const double seen = static_cast<double>(x) / static_cast<double>(n);
      EXPECT_LT(interval.lower, seen);
      EXPECT_GT(interval.upper, seen);
      if (interval.lower > 0) {
        EXPECT_GE(ln_rate_e({n, x}, interval.lower), threshold) << n;
        EXPECT_GT(ln_rate_e({n, x}, interval.lower / 2), threshold) << n;
        EXPECT_LT(ln_rate_e({n, x}, interval.lower + 1e-6 * (seen - interval.lower)), threshold) << n;
      }
      if (interval.upper < 1) {
        EXPECT_GE(ln_rate_e({n, x}, interval.upper), threshold) << n;
        EXPECT_GT(ln_rate_e({n, x}, (1 + interval.upper) / 2), threshold) << n;
        EXPECT_LT(ln_rate_e({n, x}, interval.upper - 1e-6 * (interval.upper - seen)), threshold) << n;
      }
    }
  }
}

TEST(ConfidenceSequence, IsConvexInTheRate) {
  // What makes the set an interval.
  for (const auto& [n, x] : std::vector<std::pair<std::uint64_t, std::uint64_t>>{
           {1, 0}, {2, 1}, {7, 6}, {100, 1}, {100, 40}, {100000, 99990}}) {
    const int steps = 400;
    std::vector<double> values;
    for (int i = 1; i < steps; ++i) values.push_back(ln_rate_e({n, x}, static_cast<double>(i) / steps));
    for (std::size_t i = 1; i + 1 < values.size(); ++i)
      EXPECT_LE(values[i], (values[i - 1] + values[i + 1]) / 2 + 1e-9 * (1 + std::abs(values[i])))
          << n << " " << x << " " << i;
  }
}

TEST(ConfidenceSequence, HasItsEndsWhereNothingIsExcluded) {
  EXPECT_EQ(rate_confidence_sequence({}, 0.05).lower, 0.0);
  EXPECT_EQ(rate_confidence_sequence({}, 0.05).upper, 1.0);
  EXPECT_EQ(rate_confidence_sequence({1, 1}, 0.05).lower, 0.0);
  EXPECT_EQ(rate_confidence_sequence({1, 1}, 0.05).upper, 1.0);
  const Interval none = rate_confidence_sequence({100000, 0}, 1e-6);
  EXPECT_EQ(none.lower, 0.0);
  EXPECT_GT(none.upper, 1e-5);
  EXPECT_LT(none.upper, 1e-2);
  const Interval all = rate_confidence_sequence({100000, 100000}, 1e-6);
  EXPECT_NEAR(all.lower, 1 - none.upper, 1e-12);
  EXPECT_EQ(all.upper, 1.0);
  // Two drops are the fewest that rate 0 cannot explain.
  EXPECT_EQ(rate_confidence_sequence({1000, 1}, 0.05).lower, 0.0);
  EXPECT_GT(rate_confidence_sequence({1000, 2}, 0.05).lower, 0.0);
  EXPECT_EQ(rate_confidence_sequence({1000, 999}, 0.05).upper, 1.0);
  EXPECT_LT(rate_confidence_sequence({1000, 998}, 0.05).upper, 1.0);
  EXPECT_THROW(rate_confidence_sequence({10, 5}, 0.0), std::domain_error);
  EXPECT_THROW(rate_confidence_sequence({10, 11}, 0.05), std::domain_error);
}

TEST(ConfidenceSequence, IsWiderThanTheIntervalOfOneLook) {
  const std::uint64_t n = 1 << 24, x = n / 10;
  const Interval at_once = clopper_pearson(n, x, 1e-9);
  const Interval always = rate_confidence_sequence({n, x}, 1e-9);
  EXPECT_LT(always.lower, at_once.lower);
  EXPECT_GT(always.upper, at_once.upper);
  EXPECT_LT(always.upper - always.lower, 1.4 * (at_once.upper - at_once.lower));
}

}  // namespace
}  // namespace dropcheck::stats
