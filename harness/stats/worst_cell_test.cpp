#include "harness/stats/worst_cell.hpp"

#include <gtest/gtest.h>

#include <random>
#include <stdexcept>
#include <vector>

#include "harness/stats/binomial.hpp"

namespace dropcheck::stats {
namespace {

TEST(WorstCell, IsTheSmallestTailTimesTheNumberOfCells) {
  const std::vector<std::uint64_t> counts = {10, 12, 40, 9};
  const std::vector<std::uint64_t> trials = {100, 100, 110, 100};
  const WorstCell worst = worst_cell(counts, trials, 0.1);
  EXPECT_EQ(worst.index, 2u);
  EXPECT_EQ(worst.count, 40u);
  EXPECT_EQ(worst.trials, 110u);
  EXPECT_DOUBLE_EQ(worst.tail.p_value, 4 * binomial_two_sided(110, 40, 0.1).p_value);
  EXPECT_STREQ(worst.tail.engine, "binomial_exact_bonferroni");
}

TEST(WorstCell, CapsAtCertainty) {
  const std::vector<std::uint64_t> counts = {10, 10};
  const std::vector<std::uint64_t> trials = {100, 100};
  EXPECT_EQ(worst_cell(counts, trials, 0.1).tail.p_value, 1.0);
  EXPECT_EQ(worst_cell(counts, trials, 0.1).index, 0u);
}

TEST(WorstCell, RanksCellsWhoseTailsHaveUnderflowed) {
  const std::uint64_t n = std::uint64_t{1} << 24;
  const std::vector<std::uint64_t> counts = {n / 10, n / 2, n / 2 + n / 8};
  const std::vector<std::uint64_t> trials(3, n);
  EXPECT_EQ(worst_cell(counts, trials, 0.1).index, 2u);
}

TEST(WorstCell, AllowsNoViolationAtRateZero) {
  const std::vector<std::uint64_t> counts = {0, 0, 1};
  const std::vector<std::uint64_t> trials(3, 50);
  const WorstCell worst = worst_cell(counts, trials, 0.0);
  EXPECT_EQ(worst.index, 2u);
  EXPECT_EQ(worst.tail.p_value, 0.0);
}

TEST(WorstCell, RejectsNoMoreOftenThanItsLevel) {
  std::mt19937_64 generator(90210);
  const std::vector<std::uint64_t> trials(64, 40);
  int rejected = 0;
  for (int run = 0; run < 500; ++run) {
    std::vector<std::uint64_t> counts(64, 0);
    for (std::uint64_t& count : counts) {
      for (int i = 0; i < 40; ++i) count += generator() < (std::uint64_t{1} << 62);
    }
    rejected += worst_cell(counts, trials, 0.25).tail.p_value <= 0.05;
  }
  EXPECT_LE(rejected, 49);  // Bin(500, 0.05): mean 25, standard deviation 4.9; discreteness lowers the mean
}

TEST(WorstCell, TestsAChosenCellAloneAndWithoutCorrection) {
  const std::vector<std::uint64_t> counts = {5, 30, 7};
  const std::vector<std::uint64_t> trials(3, 50);
  const WorstCell chosen = worst_cell(counts, trials, 0.1, 2);
  EXPECT_EQ(chosen.index, 2u);
  EXPECT_EQ(chosen.count, 7u);
  EXPECT_EQ(chosen.cells, 1u);
  EXPECT_EQ(chosen.tail.p_value, binomial_two_sided(50, 7, 0.1).p_value);
  EXPECT_THROW(worst_cell(counts, trials, 0.1, 3), std::domain_error);
}

TEST(WorstCell, IsTheSmallestOfAllPValuesWhateverTheTrials) {
  std::mt19937_64 generator(5);
  for (int run = 0; run < 200; ++run) {
    std::vector<std::uint64_t> counts, trials;
    for (int j = 0; j < 20; ++j) {
      trials.push_back(20 + generator() % 3);
      counts.push_back(generator() % 12);
    }
    double smallest = 1;
    for (std::size_t j = 0; j < counts.size(); ++j)
      smallest = std::min(smallest, binomial_two_sided(trials[j], counts[j], 0.3).p_value);
    const WorstCell worst = worst_cell(counts, trials, 0.3);
    EXPECT_DOUBLE_EQ(worst.tail.p_value, std::min(1.0, 20 * smallest));
    EXPECT_DOUBLE_EQ(binomial_two_sided(trials[worst.index], counts[worst.index], 0.3).p_value, smallest);
  }
}

TEST(WorstCell, RefusesNoCells) { EXPECT_THROW(worst_cell({}, {}, 0.5), std::domain_error); }

}  // namespace
}  // namespace dropcheck::stats
