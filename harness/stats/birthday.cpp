#include "harness/stats/birthday.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "harness/stats/fair_bits.hpp"
#include "harness/stats/poisson.hpp"
#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {

std::uint64_t birthdays_of_year(const ChunkCounts& chunks, double p) {
  const std::uint64_t size = chunks.full > 0 ? kChunkBits : chunks.tail_size;
  const std::uint64_t words = planned_fair_bits(size, p) / kDayBits;
  const std::uint64_t birthdays = std::min(std::bit_floor(words), kMostBirthdays);
  return birthdays >= kFewestBirthdays ? birthdays : 0;
}

void BirthdayCounts::add(const Chunk& chunk) {
  if (birthdays_ == 0) return;
  const FairBits bits = fair_bits(chunk);
  if (bits.size < birthdays_ * kDayBits) return;
  if (is_fair(chunk.p)) ++raw_chunks_;
  std::vector<std::uint32_t> days(birthdays_);
  for (std::uint64_t i = 0; i < birthdays_; ++i)
    days[i] = static_cast<std::uint32_t>(bits.at(i * kDayBits, kDayBits));
  std::sort(days.begin(), days.end());
  for (std::size_t i = 0; i + 1 < days.size(); ++i) days[i] = days[i + 1] - days[i];
  days.pop_back();
  std::sort(days.begin(), days.end());
  for (std::size_t i = 0; i < days.size();) {
    std::size_t end = i;
    while (end < days.size() && days[end] == days[i]) ++end;
    repeats_ += (end - i) * (end - i - 1) / 2;
    i = end;
  }
  ++years_;
}

void BirthdayCounts::merge(const BirthdayCounts& other) {
  require(birthdays_ == other.birthdays_, "years of one length");
  years_ += other.years_;
  repeats_ += other.repeats_;
  raw_chunks_ += other.raw_chunks_;
}

double BirthdayCounts::expected() const { return expected_repeats(birthdays_, years_); }

double expected_repeats(std::uint64_t birthdays, std::uint64_t years) {
  if (birthdays < 3) return 0;
  const double m = exact_double(birthdays);
  return exact_double(years) * std::ldexp((m - 1) * (m - 2) / 2 * m / 2, -static_cast<int>(kDayBits));
}

double planned_repeats(const ChunkCounts& chunks, double p) {
  const std::uint64_t birthdays = birthdays_of_year(chunks, p);
  const bool tails_too = planned_fair_bits(chunks.tail_size, p) >= birthdays * kDayBits;
  return expected_repeats(birthdays, chunks.full + (tails_too ? chunks.tails : 0));
}

Tail birthday_test(const BirthdayCounts& counts) {
  require(counts.years() > 0 && counts.birthdays() >= 3, "at least one year with three birthdays");
  return poisson_two_sided(counts.expected(), counts.repeats());
}

}  // namespace dropcheck::stats
