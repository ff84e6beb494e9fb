#include "harness/stats/birthday.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <stdexcept>
#include <vector>

#include "harness/stats/poisson.hpp"

namespace dropcheck::stats {
namespace {

Chunk chunk_of(const std::vector<std::uint64_t>& words, double p) {
  Chunk chunk;
  chunk.words = words;
  chunk.size = 64 * words.size();
  chunk.p = p;
  return chunk;
}

TEST(BirthdayCounts, AreEqualDistances) {
  // Days 0, 10, 20, 30, 45, 60 and 1000: distances 10, 10, 10, 15, 15, 940. In any order.
  std::vector<std::uint32_t> days = {30, 0, 60, 20, 1000, 45, 10};
  std::vector<std::uint64_t> words(4, 0);
  for (std::size_t i = 0; i < days.size(); ++i) words[i / 2] |= std::uint64_t{days[i]} << (32 * (i % 2));
  BirthdayCounts counts(7);
  counts.add(chunk_of(words, 0.5));
  EXPECT_EQ(counts.repeats(), 3u + 1);
  EXPECT_EQ(counts.years(), 1u);
  EXPECT_EQ(counts.raw_chunks(), 1u);
  counts.add(chunk_of({1, 2}, 0.5));  // too few bits
  EXPECT_EQ(counts.years(), 1u);
  BirthdayCounts other = counts;
  other.merge(counts);
  EXPECT_EQ(other.repeats(), 8u);
  EXPECT_THROW(other.merge(BirthdayCounts(8)), std::domain_error);
}

TEST(ExpectedRepeats, AgreeWithAllOutcomesOfShortYears) {
  // Four birthdays in a year of 40 days. What the formula leaves out is of the order of birthdays / days.
  constexpr unsigned n = 40;
  double repeats = 0;
  for (unsigned outcome = 0; outcome < n * n * n * n; ++outcome) {
    std::array<unsigned, 4> day = {outcome % n, outcome / n % n, outcome / n / n % n, outcome / n / n / n};
    std::sort(day.begin(), day.end());
    const unsigned a = day[1] - day[0], b = day[2] - day[1], c = day[3] - day[2];
    repeats += (a == b ? 1 : 0) + (b == c ? 1 : 0) + (a == c ? 1 : 0);
  }
  const double mean = repeats / std::pow(n, 4);
  EXPECT_NEAR(mean / (3 * 4 / (2.0 * n)), 1, 0.05);
  EXPECT_NEAR(expected_repeats(4, 1), 3 * 4 / 2.0 / 4294967296.0, 1e-20);
  EXPECT_NEAR(expected_repeats(4096, 10) / (10 * 4.0), 1, 1e-3);  // m^3 / 4n
}

TEST(BirthdaysOfYear, FitIntoAChunk) {
  EXPECT_EQ(birthdays_of_year({5, 0, 0}, 0.5), 4096u);
  EXPECT_EQ(birthdays_of_year({5, 0, 0}, 0.1), 2048u);
  EXPECT_EQ(birthdays_of_year({0, 5, 1 << 16}, 0.5), 2048u);
  EXPECT_EQ(birthdays_of_year({0, 5, 1000}, 0.5), 0u);
  EXPECT_EQ(birthdays_of_year({5, 0, 0}, 1e-4), 0u);
  EXPECT_NEAR(planned_repeats({10, 3, 1 << 17}, 0.5), 13 * 4, 0.1);
  EXPECT_NEAR(planned_repeats({10, 3, 1 << 16}, 0.5), 10 * 4, 0.1);
  EXPECT_EQ(planned_repeats({0, 5, 1000}, 0.5), 0);
}

TEST(BirthdayTest, IsPoissonsOnGoodBitsAndSeesALattice) {
  std::mt19937_64 engine(11);
  BirthdayCounts good(4096), bad(4096);
  std::vector<std::uint64_t> words(2048), lattice(2048);
  std::uint32_t state = 12345;
  for (int year = 0; year < 120; ++year) {
    for (std::uint64_t& word : words) word = engine();
    good.add(chunk_of(words, 0.5));
    for (std::uint64_t& word : lattice) {
      word = 0;
      for (unsigned half = 0; half < 64; half += 32) {
        state = state * 1664525u + 1013904223u;  // of full period: a lattice in two dimensions already
        word |= std::uint64_t{state} << half;
      }
    }
    bad.add(chunk_of(lattice, 0.5));
  }
  EXPECT_NEAR(good.expected(), 480, 1);
  EXPECT_GT(birthday_test(good).p_value, 1e-3);
  EXPECT_LT(birthday_test(bad).p_value, 1e-9);
  EXPECT_THROW(birthday_test(BirthdayCounts(4096)), std::domain_error);
}

}  // namespace
}  // namespace dropcheck::stats
