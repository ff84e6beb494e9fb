#include "harness/stats/holm.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

namespace dropcheck::stats {
namespace {

using Indices = std::vector<std::size_t>;

std::vector<HolmHypothesis> hypotheses(const std::vector<std::pair<double, double>>& p_and_share) {
  std::vector<HolmHypothesis> all;
  for (const auto& [p, share] : p_and_share) all.push_back({std::log10(p), share});
  return all;
}

// The closed test (Marcus, Peritz and Gabriel 1976): a hypothesis falls when every intersection with it is
// rejected by weighted Bonferroni. One more hypothesis with p = 1 holds what is not shared out.
Indices by_closure(const std::vector<HolmHypothesis>& given, double alpha) {
  std::vector<HolmHypothesis> all = given;
  double rest = alpha;
  for (const HolmHypothesis& h : given) rest -= h.share;
  all.push_back({0.0, std::max(0.0, rest)});
  std::vector<bool> falls(all.size(), true);
  for (std::uint32_t set = 1; set < (1u << all.size()); ++set) {
    double sum = 0;
    for (std::size_t i = 0; i < all.size(); ++i)
      if ((set >> i & 1) != 0) sum += all[i].share;
    bool rejected = false;
    for (std::size_t i = 0; i < all.size() && sum > 0; ++i)
      if ((set >> i & 1) != 0)
        rejected = rejected || std::pow(10, all[i].log10_p) <= all[i].share / sum * alpha;
    for (std::size_t i = 0; i < all.size(); ++i)
      if ((set >> i & 1) != 0 && !rejected) falls[i] = false;
  }
  Indices indices;
  for (std::size_t i = 0; i < given.size(); ++i)
    if (falls[i]) indices.push_back(i);
  return indices;
}

TEST(Holm, IsTheClosedTest) {
  std::mt19937_64 random(20250101);
  std::uniform_real_distribution<double> uniform(0.0, 1.0);
  const double alpha = 0.05;
  std::size_t rejected = 0, beyond_bonferroni = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    const std::size_t k = 1 + random() % 6;
    std::vector<HolmHypothesis> all(k);
    double sum = 0;
    for (HolmHypothesis& h : all) {
      h.share = uniform(random);
      h.log10_p = -3.5 * uniform(random);
      sum += h.share;
    }
    const double used = trial % 2 == 0 ? alpha : 0.6 * alpha;
    for (HolmHypothesis& h : all) h.share *= used / sum;
    const Indices found = holm_rejections(all, alpha);
    EXPECT_EQ(found, by_closure(all, alpha)) << trial;
    rejected += found.size();
    for (const std::size_t i : found)
      beyond_bonferroni += std::pow(10, all[i].log10_p) > all[i].share ? 1u : 0u;
  }
  EXPECT_GT(rejected, 1000u);
  EXPECT_GT(beyond_bonferroni, 100u);
}

TEST(Holm, RejectsSomethingExactlyWhenTheVerdictDoes) {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> uniform(0.0, 1.0);
  for (int trial = 0; trial < 1000; ++trial) {
    std::vector<HolmHypothesis> all(20);
    bool fails = false;
    for (HolmHypothesis& h : all) {
      h = {-6 * uniform(random), 0.001 * uniform(random)};
      fails = fails || h.log10_p <= std::log10(h.share);
    }
    EXPECT_EQ(holm_rejections(all, 0.05).empty(), !fails);
  }
}

TEST(Holm, HandsOnTheBudgetOfWhatFell) {
  // Equal shares: thresholds alpha/3, alpha/2, alpha.
  EXPECT_EQ(holm_rejections(hypotheses({{0.04, 0.02}, {0.019, 0.02}, {0.025, 0.02}}), 0.06),
            (Indices{0, 1, 2}));
  EXPECT_EQ(holm_rejections(hypotheses({{0.04, 0.02}, {0.021, 0.02}, {0.025, 0.02}}), 0.06), Indices{});
  EXPECT_EQ(holm_rejections(hypotheses({{0.061, 0.02}, {0.019, 0.02}, {0.029, 0.02}}), 0.06),
            (Indices{1, 2}));
  // What is not shared out is never handed on.
  EXPECT_EQ(holm_rejections(hypotheses({{0.04, 0.01}, {0.009, 0.01}}), 0.06), Indices{1});
}

TEST(Holm, TakesWhatADoubleCannotHoldAndWhatCannotHappen) {
  const double none = -std::numeric_limits<double>::infinity();
  const std::vector<HolmHypothesis> all{{-400, 5e-7}, {0, 4e-7}, {none, 1e-9}};
  EXPECT_EQ(holm_rejections(all, 1e-6), (Indices{0, 2}));
}

TEST(Holm, NeverRejectsWithoutAShare) {
  EXPECT_EQ(holm_rejections(hypotheses({{1e-200, 0.0}, {0.5, 0.01}}), 0.05), Indices{});
  EXPECT_EQ(holm_rejections({}, 0.05), Indices{});
}

TEST(Holm, RefusesNonsense) {
  EXPECT_THROW(holm_rejections(hypotheses({{0.5, 0.03}, {0.5, 0.03}}), 0.05), std::domain_error);
  EXPECT_THROW(holm_rejections(hypotheses({{0.5, -0.03}}), 0.05), std::domain_error);
  EXPECT_THROW(holm_rejections(hypotheses({{1.5, 0.03}}), 0.05), std::domain_error);
  EXPECT_THROW(holm_rejections(std::vector<HolmHypothesis>{{std::nan(""), 0.03}}, 0.05), std::domain_error);
  EXPECT_THROW(holm_rejections({}, 0.0), std::domain_error);
}

}  // namespace
}  // namespace dropcheck::stats
