#include "harness/stats/escalation.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/stats/binomial.hpp"

namespace dropcheck::stats {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<double> shares() {
  std::vector<double> all{3.3e-10,
                          1e-8,
                          1.2e-7,
                          0.05,
                          0.5,
                          kLargestEscalatedShare,
                          std::nextafter(kLargestEscalatedShare, 1.0),
                          std::nextafter(1.0, 0.0)};
  for (double share = 1e-290; share < 0.9; share *= 3.7) all.push_back(share);
  return all;
}

TEST(StageLevels, SpendNoMoreThanTheShare) {
  for (const double share : shares()) {
    const StageLevels s = stage_levels(share);
    const long double first = s.stage1_fail;
    const long double second = static_cast<long double>(s.suspicious1) * s.stage2_fail;
    const long double third = static_cast<long double>(s.suspicious1) * s.suspicious2 * s.stage3_fail;
    EXPECT_LE(first + second + third, static_cast<long double>(share)) << share;
    EXPECT_GE(first + second + third, static_cast<long double>(share) * (1 - 1e-14L)) << share;
    EXPECT_LE(false_alarm_bound(s), share);
    EXPECT_GT(false_alarm_bound(s), 0.9 * share) << share;
  }
}

TEST(StageLevels, AreInOrder) {
  for (const double share : shares()) {
    const StageLevels s = stage_levels(share);
    EXPECT_EQ(s.escalates, share <= 1e-4) << share;
    if (!s.escalates) {
      EXPECT_EQ(s.stage1_fail, share);
      EXPECT_EQ(s.suspicious1 + s.suspicious2 + s.stage2_fail + s.stage3_fail, 0.0);
      continue;
    }
    EXPECT_LT(s.stage1_fail, s.suspicious1) << share;
    EXPECT_LT(s.stage2_fail, s.suspicious2) << share;
    EXPECT_LE(s.stage3_fail, 0.05) << share;
    EXPECT_GT(s.stage3_fail, 0.0) << share;
    EXPECT_LE(s.suspicious1, 0.0101) << share;  // false suspicions stay rare
    EXPECT_LE(s.suspicious2, 0.101) << share;
  }
}

TEST(StageLevels, AreTheTabulatedOnesForSmallShares) {
  const StageLevels s = stage_levels(3.3e-10);
  EXPECT_DOUBLE_EQ(s.stage1_fail, 8.25e-11);
  EXPECT_DOUBLE_EQ(s.suspicious1, 1e-4);
  EXPECT_NEAR(s.stage2_fail, 8.25e-7, 1e-19);
  EXPECT_DOUBLE_EQ(s.suspicious2, 1e-3);
  EXPECT_NEAR(s.stage3_fail, 1.65e-3, 1e-15);
}

TEST(StageLevels, RefuseWhatIsNoShare) {
  for (const double share : {0.0, 1.0, -1e-9, 2.0, std::nan("")})
    EXPECT_THROW(stage_levels(share), std::domain_error) << share;
}

TEST(StageOutcome, IsDecidedByTheLevelsOfItsStage) {
  const StageLevels s = stage_levels(1e-9);
  const double tiny = std::numeric_limits<double>::denorm_min();
  for (unsigned stage = 1; stage <= kStages; ++stage) {
    EXPECT_EQ(stage_outcome(s, stage, 0.0), StageOutcome::fail);
    EXPECT_EQ(stage_outcome(s, stage, tiny), StageOutcome::fail);
    EXPECT_EQ(stage_outcome(s, stage, fail_level(s, stage)), StageOutcome::fail);
    EXPECT_EQ(stage_outcome(s, stage, std::nextafter(fail_level(s, stage), 1.0)),
              stage == 3 ? StageOutcome::pass : StageOutcome::suspicious);
    EXPECT_EQ(stage_outcome(s, stage, 1.0), StageOutcome::pass);
  }
  EXPECT_EQ(stage_outcome(s, 1, s.suspicious1), StageOutcome::suspicious);
  EXPECT_EQ(stage_outcome(s, 1, std::nextafter(s.suspicious1, 1.0)), StageOutcome::pass);
  EXPECT_EQ(stage_outcome(s, 2, s.suspicious2), StageOutcome::suspicious);
  EXPECT_EQ(stage_outcome(s, 2, std::nextafter(s.suspicious2, 1.0)), StageOutcome::pass);
}

TEST(StageOutcome, KnowsOneStageOnlyForAGenerousShare) {
  const StageLevels s = stage_levels(0.05);
  EXPECT_EQ(stage_outcome(s, 1, 0.05), StageOutcome::fail);
  EXPECT_EQ(stage_outcome(s, 1, 0.0501), StageOutcome::pass);
  EXPECT_THROW(stage_outcome(s, 2, 0.01), std::domain_error);
}

TEST(StageOutcome, RefusesNonsense) {
  const StageLevels s = stage_levels(1e-9);
  EXPECT_THROW(stage_outcome(s, 0, 0.5), std::domain_error);
  EXPECT_THROW(stage_outcome(s, 4, 0.5), std::domain_error);
  EXPECT_THROW(stage_outcome(s, 1, std::nan("")), std::domain_error);
  EXPECT_THROW(stage_outcome(s, 1, 1.5), std::domain_error);
  EXPECT_THROW(stage_factor(4), std::domain_error);
  EXPECT_EQ(stage_factor(1), 1u);
  EXPECT_EQ(stage_factor(2), 8u);
  EXPECT_EQ(stage_factor(3), 64u);
}

// Counts that the two-sided binomial test of Bin(n, p) rejects at `level`: below `low`, from `high` on.
struct Rejected {
  std::uint64_t low, high;
};

Rejected rejected_counts(std::uint64_t n, double p, double level) {
  const auto rejects = [&](std::uint64_t x) { return binomial_two_sided(n, x, p).p_value <= level; };
  const auto middle = static_cast<std::uint64_t>(static_cast<double>(n) * p);
  std::uint64_t low = 0, accepted = middle;
  while (low < accepted) {  // first count that is not rejected as too low
    const std::uint64_t half = low + (accepted - low) / 2;
    if (rejects(half)) low = half + 1;
    else accepted = half;
  }
  std::uint64_t fine = middle, high = n + 1;
  while (high - fine > 1) {
    const std::uint64_t half = fine + (high - fine) / 2;
    (rejects(half) ? high : fine) = half;
  }
  return {low, high};
}

// All probabilities of Bin(n, p), by the recurrence outwards from the mode; shares nothing with the library.
class BinomialLaw {
 public:
  BinomialLaw(std::uint64_t n, double p) : pmf_(n + 1) {
    const long double q = 1.0L - static_cast<long double>(p);
    const long double odds = static_cast<long double>(p) / q;
    const auto count = [](std::uint64_t k) { return static_cast<long double>(k); };
    const auto mode = std::min(n, static_cast<std::uint64_t>(static_cast<double>(n + 1) * p));
    pmf_[mode] =
        std::exp(std::lgamma(count(n) + 1) - std::lgamma(count(mode) + 1) - std::lgamma(count(n - mode) + 1) +
                 count(mode) * std::log(static_cast<long double>(p)) + count(n - mode) * std::log(q));
    for (std::uint64_t k = mode; k < n; ++k) pmf_[k + 1] = pmf_[k] * (count(n - k) / count(k + 1)) * odds;
    for (std::uint64_t k = mode; k > 0; --k) pmf_[k - 1] = pmf_[k] * (count(k) / count(n - k + 1)) / odds;
  }
  long double outside(const Rejected& r) const { return sum(0, r.low) + sum(r.high, pmf_.size()); }
  long double inside(const Rejected& r) const {
    return sum(r.low, std::min<std::uint64_t>(r.high, pmf_.size()));
  }

 private:
  long double sum(std::uint64_t from, std::uint64_t to) const {
    long double total = 0;
    for (std::uint64_t k = from; k < to; ++k) total += pmf_[k];
    return total;
  }
  std::vector<long double> pmf_;
};

// The critical counts of three exact binomial tests of n, 8 n and 64 n trials.
struct ThreeTests {
  ThreeTests(std::uint64_t trials, double p, const StageLevels& s)
      : n(trials),
        fail1(rejected_counts(n, p, s.stage1_fail)),
        notice1(rejected_counts(n, p, s.suspicious1)),
        fail2(rejected_counts(8 * n, p, s.stage2_fail)),
        notice2(rejected_counts(8 * n, p, s.suspicious2)),
        fail3(rejected_counts(64 * n, p, s.stage3_fail)) {}

  long double fails(double truth) const {
    const BinomialLaw one(n, truth), two(8 * n, truth), three(64 * n, truth);
    const long double third = three.outside(fail3);
    const long double second = two.outside(fail2) + (two.outside(notice2) - two.outside(fail2)) * third;
    return one.outside(fail1) + (one.outside(notice1) - one.outside(fail1)) * second;
  }
  long double misses(double truth) const {
    const BinomialLaw one(n, truth), two(8 * n, truth), three(64 * n, truth);
    const long double third = three.inside(fail3);
    const long double second = two.inside(notice2) + (two.inside(fail2) - two.inside(notice2)) * third;
    return one.inside(notice1) + (one.inside(fail1) - one.inside(notice1)) * second;
  }

  std::uint64_t n;
  Rejected fail1, notice1, fail2, notice2, fail3;
};

TEST(Escalation, FailsACorrectBackendNoMoreOftenThanItsShareByExactSums) {
  for (const double share : {3.3e-10, 1.2e-7, 1e-5}) {
    for (const double p : {0.5, 0.1}) {
      for (const int power : {12, 14}) {
        const std::uint64_t n = std::uint64_t{1} << power;
        const long double rate = ThreeTests(n, p, stage_levels(share)).fails(p);
        EXPECT_LE(rate, static_cast<long double>(share)) << share << " " << p << " " << n;
        EXPECT_GT(rate, 0.5L * share) << share << " " << p << " " << n;
      }
    }
  }
}

TEST(Escalation, FailsACorrectBackendNoMoreOftenThanItsShareForMoreEntries) {
  const double share = 3.3e-10;
  const std::uint64_t n = std::uint64_t{1} << 16;
  const long double rate = ThreeTests(n, 0.1, stage_levels(share)).fails(0.1);
  EXPECT_LE(rate, static_cast<long double>(share));
  EXPECT_GT(rate, 0.85L * share);  // little is lost to the steps of the law
}

TEST(Escalation, CatchesItsMinimumDetectableEffectByExactSums) {
  const double beta = 1e-6;
  for (const double share : {3.3e-10, 1e-5}) {
    for (const double p : {0.5, 0.1}) {
      const std::uint64_t n = std::uint64_t{1} << 12;
      const StageLevels levels = stage_levels(share);
      const double effect = escalated_min_effect(levels, beta, [&](unsigned factor, double a, double b) {
        return binomial_min_effect(factor * n, a, b, p);
      });
      EXPECT_LT(effect, 0.85 * binomial_min_effect(n, share, beta, p)) << "worth the trouble";
      const ThreeTests tests(n, p, levels);
      long double worst = 0;
      for (const double truth : {p + effect, p - effect}) {
        const long double missed = tests.misses(truth);
        EXPECT_LE(missed, static_cast<long double>(beta)) << share << " " << p << " " << truth;
        worst = std::max(worst, missed);
      }
      EXPECT_GT(worst, 0.5L * beta) << "the bound is close";
      EXPECT_GT(tests.misses(p + 0.97 * effect) + tests.misses(p - 0.97 * effect),
                static_cast<long double>(beta));
    }
  }
}

// (z_{alpha/2} + z_beta) / sqrt(size): the two-sided normal test.
double normal_effect(unsigned factor, double alpha, double beta) {
  const boost::math::normal_distribution<double> normal;
  return (boost::math::quantile(boost::math::complement(normal, alpha / 2)) +
          boost::math::quantile(boost::math::complement(normal, beta))) /
         std::sqrt(factor);
}

TEST(Escalation, NeedsTheTabulatedNoncentrality) {
  // Exact total power 1 - 1e-6 is reached at 8.64 in stage 1; one test at the whole share needs 11.04.
  EXPECT_NEAR(escalated_min_effect(stage_levels(3.3e-10), 1e-6, normal_effect), 8.644, 0.005);
  EXPECT_NEAR(normal_effect(1, 3.3e-10, 1e-6), 11.04, 0.01);
  EXPECT_NEAR(escalated_min_effect(stage_levels(3.3e-10), 1e-2, normal_effect), 6.22, 0.01);
  EXPECT_EQ(escalated_min_effect(stage_levels(0.05), 1e-6, normal_effect), normal_effect(1, 0.05, 1e-6));
}

TEST(Escalation, FallsBackOnOtherPathsWhereLaterStagesSeeNothing) {
  const StageLevels levels = stage_levels(1e-9);
  const auto first_only = [](unsigned factor, double a, double b) {
    return factor == 1 ? normal_effect(1, a, b) : kInfinity;
  };
  EXPECT_EQ(escalated_min_effect(levels, 1e-6, first_only), normal_effect(1, 2.5e-10, 1e-6));
  const auto no_third = [](unsigned factor, double a, double b) {
    return factor < 64 ? normal_effect(factor, a, b) : kInfinity;
  };
  EXPECT_NEAR(escalated_min_effect(levels, 1e-6, no_third), 8.644, 0.005);
  EXPECT_EQ(escalated_min_effect(levels, 1e-6, [](unsigned, double, double) { return kInfinity; }),
            kInfinity);
  EXPECT_THROW(escalated_min_effect(levels, 0.0, normal_effect), std::domain_error);
}

TEST(Escalation, TakesTheBestPathOfTheWorstStage) {
  const StageLevels s = stage_levels(1e-9);
  const auto with = [&](double at_once, double noticed, double confirmed2, double alone2, double last) {
    return escalated_min_effect(s, 1e-6, [&](unsigned factor, double alpha, double) {
      if (factor == 1) return alpha == s.stage1_fail ? at_once : noticed;
      if (factor == 8) return alpha == s.suspicious2 ? confirmed2 : alone2;
      EXPECT_EQ(factor, 64u);
      EXPECT_EQ(alpha, s.stage3_fail);
      return last;
    });
  };
  EXPECT_EQ(with(9, 2, 1, 8, 1), 2);
  EXPECT_EQ(with(9, 2, 3, 8, 1), 3);
  EXPECT_EQ(with(9, 2, 1, 8, 4), 4);
  EXPECT_EQ(with(9, 2, 1, 5, 6), 5);
  EXPECT_EQ(with(9, 2, 1, 1, 6), 2);
  EXPECT_EQ(with(7, 2, 1, 8, 9), 7);
}

TEST(Escalation, GetsBetterWithEveryThingThatShouldHelp) {
  double previous = kInfinity;
  for (const double share : {1e-12, 1e-10, 1e-8, 1e-6, 1e-4}) {
    const double effect = escalated_min_effect(stage_levels(share), 1e-6, normal_effect);
    EXPECT_LE(effect, previous) << share;
    EXPECT_LT(effect, normal_effect(1, share, 1e-6)) << share;
    previous = effect;
  }
}

}  // namespace
}  // namespace dropcheck::stats
