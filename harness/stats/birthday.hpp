#pragma once
// Birthday spacings (Marsaglia): words of fair bits are days of a long year; distances between successive
// birthdays repeat too often where words lie on a lattice, as those of linear congruential generators do.
// Broken preconditions throw std::domain_error.

#include <cstdint>

#include "harness/core/chunk.hpp"
#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

inline constexpr unsigned kDayBits = 32;  // 2^32 days
inline constexpr std::uint64_t kMostBirthdays = 4096;
inline constexpr std::uint64_t kFewestBirthdays = 256;

/// Birthdays of one year, the largest power of two that every full chunk at this drop probability brings but
/// for a chance of 1e-15, 4096 at most; where there is no full chunk, every tail. 0 where it would be below
/// 256.
std::uint64_t birthdays_of_year(const ChunkCounts& chunks, double p);

class BirthdayCounts {
 public:
  explicit BirthdayCounts(std::uint64_t birthdays) : birthdays_(birthdays) {}
  /// One year a chunk, from its first fair bits; chunks with too few are left out.
  void add(const Chunk& chunk);
  void merge(const BirthdayCounts& other);

  std::uint64_t birthdays() const { return birthdays_; }
  std::uint64_t years() const { return years_; }
  /// Pairs of equal distances between successive birthdays of one year.
  std::uint64_t repeats() const { return repeats_; }
  std::uint64_t raw_chunks() const { return raw_chunks_; }
  double expected() const;

 private:
  std::uint64_t birthdays_;
  std::uint64_t years_ = 0, repeats_ = 0, raw_chunks_ = 0;
};

/// Mean number of repeats of `years` years: C(m-1, 2) m / (2 n) each, m birthdays in a year of n = 2^32 days.
/// The distances are uniform on a simplex (Dirichlet), where two of them agree with density m / 2; m^3 / (4
/// n) to leading order (Knuth, TAOCP 2, 3.3.2 J).
double expected_repeats(std::uint64_t birthdays, std::uint64_t years);

/// Repeats to expect from a sample with these chunks.
double planned_repeats(const ChunkCounts& chunks, double p);

/// Repeats are Poisson, doubled exact tail. On the simplex the variance exceeds the mean by a part of m^2 /
/// (12 n), 3e-4 at most. At least one year.
Tail birthday_test(const BirthdayCounts& counts);

}  // namespace dropcheck::stats
