// Calibration itself is calibrated: against sums over all outcomes, against published figures, and on two
// published checks whose stated failure rates were wrong.
#include "suites/calibration/importance_sampling.hpp"

#include <gtest/gtest.h>

#include <boost/math/distributions/normal.hpp>
#include <boost/math/special_functions/erf.hpp>
#include <boost/multiprecision/cpp_bin_float.hpp>
#include <cmath>
#include <numbers>

#include "harness/stats/binomial.hpp"
#include "suites/calibration/calibration.hpp"
#include "suites/calibration/exact_counts.hpp"
#include "suites/calibration/strengths.hpp"
#include "suites/calibration/targets.hpp"
#include "suites/register.hpp"

namespace dropcheck::suites::calibration {
namespace {

const Registry& checks() {
  static const Registry registry = [] {
    Registry r;
    register_suites(r);
    return r;
  }();
  return registry;
}

SampleInfo one_call(double p, std::int64_t n) {
  Problem problem;
  problem.p = p;
  problem.shape = {n};
  return {"mask", problem, 1, 1};
}

Tilt* rate_tilt(std::uint64_t n, double p) {
  std::vector<std::vector<ContextRate>> components;
  for (const double z : signed_strengths(kLevels))
    components.push_back({{0, tilted_rate(static_cast<double>(n), p, z)}});
  return new RateMixture(std::make_unique<Stretches>(std::vector<std::uint64_t>{n}, p), components);
}

TEST(Measure, AgreesWithTheSumOverAllOutcomes) {
  constexpr std::uint64_t n = 4096;
  for (const double p : {0.5, 0.1, 0.01}) {
    const CheckUnderTest test(*checks().check("mask_rate.drop_rate"), one_call(p, n), "drop rate");
    const std::unique_ptr<Tilt> tilt(rate_tilt(n, p));
    const std::vector<Measured> tilted = measure(test, *tilt, kLevels, {3000, 3, 2});
    const auto s1 =
        std::find_if(targets().begin(), targets().end(), [](const Target& t) { return t.id == "S1"; });
    const std::vector<Measured> exact = enumerate(test, s1->law(one_call(p, n)), kLevels);
    for (std::size_t i = 0; i < kLevels.size(); ++i) {
      EXPECT_LE(tilted[i].lower, exact[i].rate) << p << ' ' << kLevels[i];
      EXPECT_GE(tilted[i].upper, exact[i].rate) << p << ' ' << kLevels[i];
      EXPECT_LT(tilted[i].upper - tilted[i].lower, 2 * exact[i].rate);
      EXPECT_FALSE(tilted[i].is_vague());
      EXPECT_LE(exact[i].ratio(), 1.0 + 1e-9);
      EXPECT_GT(exact[i].ratio(), 0.4);
      EXPECT_EQ(judge(exact[i]), Finding::holds);
    }
  }
}

TEST(Measure, DoesNotDependOnThreads) {
  const CheckUnderTest test(*checks().check("mask_rate.drop_rate"), one_call(0.1, 1024), "drop rate");
  const std::unique_ptr<Tilt> tilt(rate_tilt(1024, 0.1));
  const auto one = measure(test, *tilt, kLevels, {500, 3, 1}),
             three = measure(test, *tilt, kLevels, {500, 3, 3});
  for (std::size_t i = 0; i < kLevels.size(); ++i) {
    EXPECT_EQ(one[i].rate, three[i].rate);
    EXPECT_EQ(one[i].hits, three[i].hits);
  }
}

TEST(ExactCounts, SumsTermsAsFiftyDigitsDo) {
  using Float = boost::multiprecision::cpp_bin_float_50;
  const auto tail = [](unsigned n, unsigned x, double p) {
    Float sum = 0, term = boost::multiprecision::pow(Float(1) - Float(p), n);
    for (unsigned k = 0; k <= n; ++k) {
      if (k >= x) sum += term;
      term *= Float(n - k) / Float(k + 1) * Float(p) / (Float(1) - Float(p));
    }
    return static_cast<double>(sum);
  };
  for (const auto& [n, x, p] :
       {std::tuple{500u, 120u, 0.1}, {1000u, 5u, 0.01}, {300u, 0u, 0.3}, {64u, 64u, 0.5}}) {
    EXPECT_NEAR(static_cast<double>(binomial_terms_above(n, x, p)) / tail(n, x, p), 1, 1e-12);
    const double below = tail(n, n - x, 1 - p);  // P(X <= x) by the keeps
    EXPECT_NEAR(static_cast<double>(binomial_terms_below(n, x, p)) / below, 1, 1e-9);
  }
}

TEST(ExactCounts, RunsAgreeWithEnumeration) {
  constexpr std::uint64_t n = 14;
  const double p = 0.3;
  for (std::uint64_t length = 1; length <= n; ++length) {
    double with = 0;
    for (std::uint64_t bits = 0; bits < (1u << n); ++bits) {
      std::uint64_t run = 0, longest = 0;
      for (std::uint64_t i = 0; i < n; ++i) longest = std::max(longest, run = (bits >> i) & 1 ? run + 1 : 0);
      const int drops = __builtin_popcountll(bits);
      if (longest >= length) with += std::pow(p, drops) * std::pow(1 - p, static_cast<int>(n) - drops);
    }
    EXPECT_NEAR(static_cast<double>(run_probability(n, length, p)), with, 1e-13);
    EXPECT_NEAR(static_cast<double>(no_run_probability(n, length, p)), 1 - with, 1e-13);
  }
}

/// The upper normal tail of the lag-1 sum: what one would write without thinking.
class NormalLag final : public PValueUnderTest {
 public:
  explicit NormalLag(double p) : p_(p) {}
  std::string name() const override { return "normal tail of lag 1"; }
  ObservedPValue p_value(const MaskBits& mask, std::uint64_t) const override {
    double sum = 0;
    for (std::uint64_t t = 0; t + 1 < mask.size(); ++t)
      sum += ((mask[t] ? 1 : 0) - p_) * ((mask[t + 1] ? 1 : 0) - p_);
    const double z = sum / (p_ * (1 - p_)) / std::sqrt(static_cast<double>(mask.size() - 1));
    return {std::erfc(z / std::numbers::sqrt2) / 2, "normal"};
  }

 private:
  double p_;
};

TEST(Measure, FindsThatTheNormalTailOfALagIsThirtyTimesTooSmall) {
  // Known from another program: at p = 0.1 and a nominal 1e-9 the true rate is 30.9 times as large for 2^12
  // entries.
  constexpr std::uint64_t n = 4096;
  const double p = 0.1;
  const RateMixture tilt(std::make_unique<Chain>(n, std::vector<unsigned>{1}, p),
                         twisted_chains(0, n - 1, p, signed_strengths(kLevels)));
  const std::vector<Measured> seen = measure(NormalLag(p), tilt, kLevels, {30'000, 1, 2});
  EXPECT_LT(seen[2].lowest_ratio(), 30.9);
  EXPECT_GT(seen[2].highest_ratio(), 30.9);
  EXPECT_LT(seen[2].highest_ratio() / seen[2].lowest_ratio(), 1.6);
  EXPECT_EQ(judge(seen[2]), Finding::too_high);
  EXPECT_EQ(judge(seen[1]), Finding::too_high);
}

/// A published check of uniform numbers: it fails unless 1 - K(D) < 0.01, K the survival function of
/// Kolmogorov's limit law, with D not multiplied by the root of the sample size.
class UnscaledKolmogorov final : public PValueUnderTest {
 public:
  static constexpr double kClaimed = 0.01;
  std::string name() const override { return "Kolmogorov-Smirnov, unscaled"; }
  ObservedPValue p_value(const MaskBits& mask, std::uint64_t) const override {
    std::vector<double> u;
    for (const std::uint64_t word : mask.words())
      u.push_back((static_cast<double>(word >> 11) + 0.5) * 0x1p-53);
    std::sort(u.begin(), u.end());
    double d = 0;
    const auto n = static_cast<double>(u.size());
    for (std::size_t i = 0; i < u.size(); ++i)
      d = std::max({d, static_cast<double>(i + 1) / n - u[i], u[i] - static_cast<double>(i) / n});
    double below = 0;  // 1 - K(d) by the theta series
    for (int k = 1; k <= 5; ++k)
      below += std::exp(-(2 * k - 1) * (2 * k - 1) * std::numbers::pi * std::numbers::pi / (8 * d * d));
    below *= std::sqrt(2 * std::numbers::pi) / d;
    return {below < kClaimed ? 1 : kClaimed, "kolmogorov"};
  }
};

TEST(PublishedMistakes, AVacuousTestIsTooLow) {
  constexpr std::uint64_t kNumbers = 200;
  const std::vector<Measured> seen = measure(UnscaledKolmogorov(), NoTilt(64 * kNumbers, 0.5),
                                             {UnscaledKolmogorov::kClaimed}, {10'000, 1, 2});
  EXPECT_EQ(seen[0].hits, 0u);
  EXPECT_LT(seen[0].highest_ratio(), 0.2);
  EXPECT_EQ(judge(seen[0]), Finding::too_low);
}

/// A published check of samplers: samples in bins, each sample +1 or -1; it fails when the sum of a bin
/// exceeds its deviation times erfinv(1 - 2 rate / bins), without the square root of 2 that belongs there.
class SumsOfBins final : public PValueUnderTest {
 public:
  explicit SumsOfBins(double factor) : factor_(factor) {}
  static constexpr double kClaimed = 1e-3;
  std::string name() const override { return "sums of bins"; }
  ObservedPValue p_value(const MaskBits& mask, std::uint64_t) const override {
    constexpr std::uint64_t kBins = 10;
    const std::uint64_t samples = mask.size() / kBins;
    const double threshold =
        factor_ * std::sqrt(static_cast<double>(samples)) * boost::math::erf_inv(1 - 2 * kClaimed / kBins);
    bool fails = false;
    for (std::uint64_t bin = 0; bin < kBins; ++bin) {
      double sum = 0;
      for (std::uint64_t i = 0; i < samples; ++i) sum += mask[bin * samples + i] ? 1 : -1;
      fails = fails || std::abs(sum) > threshold;
    }
    return {fails ? kClaimed : 1, "normal threshold"};
  }

 private:
  double factor_;
};

TEST(PublishedMistakes, AMissingRootOfTwoIsTooHigh) {
  const NoTilt masks(10'000, 0.5);
  const std::vector<Measured> wrong = measure(SumsOfBins(1), masks, {SumsOfBins::kClaimed}, {5000, 1, 2});
  EXPECT_GT(wrong[0].lowest_ratio(), 50);
  EXPECT_EQ(judge(wrong[0]), Finding::too_high);
  const std::vector<Measured> right =
      measure(SumsOfBins(std::numbers::sqrt2), masks, {SumsOfBins::kClaimed}, {5000, 1, 2});
  EXPECT_NE(judge(right[0]), Finding::too_high);
}

TEST(Judge, TellsBoundsFromEngines) {
  Measured m;
  m.level = 1e-6;
  m.rate = m.lower = m.upper = 1e-8;
  m.hits = m.runs = 1000;
  m.tilted = true;
  m.engine = "saddlepoint";
  EXPECT_EQ(judge(m), Finding::too_low);
  m.engine = "bernstein";
  EXPECT_EQ(judge(m), Finding::holds);
  m.engine = "saddlepoint / saddlepoint_chernoff";
  EXPECT_EQ(judge(m), Finding::too_low);
  m.rate = m.lower = m.upper = 1.2e-6;
  EXPECT_EQ(judge(m), Finding::too_high);
  m.engine = "bernstein";
  EXPECT_EQ(judge(m), Finding::too_high);
  m.lower = 0;
  m.upper = 1;
  m.hits = 3;
  EXPECT_EQ(judge(m), Finding::vague);
}

TEST(Calibrate, EveryStatisticOfTheCatalogueIsMeasuredOrExcused) {
  for (const auto& check : checks().checks()) {
    if (check->info().row) continue;  // rows of a checklist use engines that are measured for other statistics
    for (const std::string& id : check->info().statistics) {
      const auto is_here = [&](const std::string& ids) {
        return (ids + ",").find(id + ",") != std::string::npos;
      };
      const bool measured = std::any_of(targets().begin(), targets().end(), [&](const Target& t) {
        return t.id == id && checks().check(t.check);
      });
      const bool excused = std::any_of(not_measured().begin(), not_measured().end(),
                                       [&](const NotMeasured& n) { return is_here(n.id); });
      EXPECT_TRUE(measured || excused) << id << " of " << check->info().id;
    }
  }
}

}  // namespace
}  // namespace dropcheck::suites::calibration
