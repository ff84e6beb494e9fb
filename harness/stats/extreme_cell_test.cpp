#include "harness/stats/extreme_cell.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <stdexcept>
#include <vector>

#include "harness/stats/binomial.hpp"

namespace dropcheck::stats {
namespace {

TEST(ExtremeCell, IsTheSmallestBinomialPValueTimesTheCells) {
  const std::array<std::uint64_t, 4> observed = {50, 30, 35, 5};
  const std::array<double, 4> law = {0.4, 0.3, 0.2, 0.1};
  const WorstCell worst = extreme_cell(observed, law);
  EXPECT_EQ(worst.index, 2u);
  EXPECT_EQ(worst.count, 35u);
  EXPECT_EQ(worst.trials, 120u);
  EXPECT_EQ(worst.cells, 4u);
  EXPECT_DOUBLE_EQ(worst.tail.p_value, 4 * binomial_two_sided(120, 35, 0.2).p_value);
  for (std::size_t j = 0; j < 4; ++j)
    EXPECT_GE(binomial_two_sided(120, observed[j], law[j]).p_value, worst.tail.p_value / 4);
}

TEST(ExtremeCell, TestsAChosenCellAlone) {
  const std::array<std::uint64_t, 3> observed = {50, 30, 40};
  const std::array<double, 3> law = {0.5, 0.3, 0.2};
  const WorstCell chosen = extreme_cell(observed, law, 1);
  EXPECT_EQ(chosen.index, 1u);
  EXPECT_EQ(chosen.cells, 1u);
  EXPECT_DOUBLE_EQ(chosen.tail.p_value, binomial_two_sided(120, 30, 0.3).p_value);
  EXPECT_THROW(extreme_cell(observed, law, 3), std::domain_error);
}

TEST(ExtremeCell, CallsACountWhereThereCanBeNoneImpossible) {
  const std::array<std::uint64_t, 2> observed = {50, 1};
  const std::array<double, 2> law = {1.0, 0.0};
  EXPECT_EQ(extreme_cell(observed, law).tail.p_value, 0.0);
}

TEST(ExtremeCell, SeesASpikeThatPoolingWouldHide) {
  std::vector<std::uint64_t> observed = {600000, 399997, 0, 3};
  const std::vector<double> law = {0.6, 0.4 - 1e-9, 5e-10, 5e-10};
  const WorstCell worst = extreme_cell(observed, law);
  EXPECT_EQ(worst.index, 3u);
  EXPECT_LT(worst.tail.p_value, 1e-9);
}

TEST(ExtremeCell, RejectsNoMoreOftenThanItsLevel) {
  const std::vector<double> law = {0.5, 0.25, 0.125, 0.0625, 0.0625};
  std::mt19937_64 engine(6);
  std::discrete_distribution<std::size_t> draw(law.begin(), law.end());
  std::uint64_t rejected = 0;
  for (int trial = 0; trial < 2000; ++trial) {
    std::vector<std::uint64_t> observed(law.size(), 0);
    for (int i = 0; i < 300; ++i) ++observed[draw(engine)];
    if (extreme_cell(observed, law).tail.p_value <= 0.01) ++rejected;
  }
  EXPECT_GT(binomial_upper_tail(2000, rejected, 0.01), 1e-6) << rejected;
  EXPECT_GT(rejected, 0u);  // Bonferroni is not absurdly careful here
}

TEST(ExtremeCellMinEffect, IsThatOfTheWidestCell) {
  const std::vector<double> law = {0.1, 0.6, 0.3};
  const double effect = extreme_cell_min_effect(law, 10000, 1e-6, 1e-6);
  EXPECT_EQ(effect, binomial_min_effect(10000, 1e-6 / 3, 1e-6, 0.6));
  for (const double p : law) EXPECT_LE(binomial_min_effect(10000, 1e-6 / 3, 1e-6, p), effect);
}

TEST(ExtremeCell, RefusesOtherLengths) {
  const std::vector<std::uint64_t> observed = {1, 2};
  const std::vector<double> law = {1.0};
  EXPECT_THROW(extreme_cell(observed, law), std::domain_error);
  EXPECT_THROW(extreme_cell({}, {}), std::domain_error);
}

}  // namespace
}  // namespace dropcheck::stats
