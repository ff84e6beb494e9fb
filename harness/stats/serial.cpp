#include "harness/stats/serial.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "harness/stats/chi_squared.hpp"
#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

// One window of 11 entries holds the windows of 8 that begin at its first four entries, so one increment
// counts four of them.
constexpr unsigned kWideBits = 11;
constexpr unsigned kStride = 4;
constexpr std::uint64_t kWideMask = (1u << kWideBits) - 1;
static_assert(kWideBits == kLongestPattern + kStride - 1);

double pattern_probability(std::uint64_t pattern, unsigned length, double p) {
  const auto drops = static_cast<double>(std::popcount(pattern));
  return std::pow(p, drops) * std::pow(1.0 - p, static_cast<double>(length) - drops);
}

// Counts minus expectation, over its square root.
std::vector<double> deviations(const SerialCounts& counts, unsigned length, double p) {
  const double n = exact_double(counts.windows);
  const std::vector<std::uint64_t> observed = counts.of_length(length);
  std::vector<double> result(observed.size());
  for (std::uint64_t w = 0; w < observed.size(); ++w) {
    const double probability = pattern_probability(w, length, p);
    result[w] = std::fma(-n, probability, exact_double(observed[w])) / std::sqrt(n * probability);
  }
  return result;
}

double sum_squares(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return sum;
}

}  // namespace

void SerialCounts::add(const Chunk& chunk) {
  if (chunk.size < kShortestPatternChunk) return;
  const auto words = chunk.words;
  const std::uint64_t full_words = chunk.size / 64;
  // Two tables in turn: most entries are kept, and successive increments of one counter wait for each other.
  std::array<std::array<std::uint32_t, 1u << kWideBits>, 2> wide{};
  for (std::uint64_t w = 0; w + 1 < full_words; ++w) {
    const std::uint64_t here = words[w];
    const std::uint64_t end = (here >> 56) | (words[w + 1] << 8);
    for (unsigned t = 0; t < 56; t += 2 * kStride) {
      ++wide[0][(here >> t) & kWideMask];
      if (t + kStride < 56) ++wide[1][(here >> (t + kStride)) & kWideMask];
    }
    ++wide[0][end & kWideMask];
    ++wide[1][(end >> kStride) & kWideMask];
  }
  for (std::uint64_t v = 0; v <= kWideMask; ++v) {
    const std::uint64_t count = std::uint64_t{wide[0][v]} + wide[1][v];
    for (unsigned shift = 0; shift < kStride; ++shift) patterns[(v >> shift) & 255] += count;
  }
  for (std::uint64_t t = (full_words - 1) * 64; t < chunk.size; ++t) {
    std::uint64_t pattern = 0;
    for (unsigned i = 0; i < kLongestPattern; ++i) {
      const std::uint64_t at = (t + i) % chunk.size;
      pattern |= ((words[at / 64] >> (at % 64)) & 1) << i;
    }
    ++patterns[pattern];
  }
  windows += chunk.size;
}

void SerialCounts::merge(const SerialCounts& other) {
  windows += other.windows;
  for (std::size_t w = 0; w < patterns.size(); ++w) patterns[w] += other.patterns[w];
}

std::vector<std::uint64_t> SerialCounts::of_length(unsigned length) const {
  require(length >= 1 && length <= kLongestPattern, "1 <= pattern length <= 8");
  std::vector<std::uint64_t> counts(std::size_t{1} << length, 0);
  for (std::size_t w = 0; w < patterns.size(); ++w) counts[w & (counts.size() - 1)] += patterns[w];
  return counts;
}

std::uint64_t planned_windows(const ChunkCounts& chunks) {
  return chunks.full * kChunkBits +
         (chunks.tail_size >= kShortestPatternChunk ? chunks.tails * chunks.tail_size : 0);
}

bool serial_is_valid(std::uint64_t windows, unsigned length, double p) {
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  return exact_double(windows) * std::pow(std::min(p, 1.0 - p), static_cast<double>(length)) >=
         kMinimumExpectedPatterns;
}

SerialTest serial_test(const SerialCounts& counts, unsigned length, double p) {
  require(length >= 2 && length <= kLongestPattern, "2 <= pattern length <= 8");
  require(serial_is_valid(counts.windows, length, p), "4000 expected windows of the rarest pattern");
  const std::vector<double> longer = deviations(counts, length, p);
  const double statistic = sum_squares(longer) - sum_squares(deviations(counts, length - 1, p));
  const auto degrees = static_cast<double>(std::uint64_t{1} << (length - 1));
  const auto worst = std::max_element(longer.begin(), longer.end(),
                                      [](double a, double b) { return std::abs(a) < std::abs(b); });
  // The difference of two exact sums of squares is one itself; rounding alone could carry it below 0.
  return {chi_squared_upper(std::max(statistic, 0.0), degrees), statistic, degrees,
          static_cast<std::uint64_t>(worst - longer.begin())};
}

double serial_min_effect(std::uint64_t windows, unsigned length, double alpha, double beta) {
  require(length >= 2 && length <= kLongestPattern, "2 <= pattern length <= 8");
  if (windows == 0) return std::numeric_limits<double>::infinity();
  const auto degrees = static_cast<double>(std::uint64_t{1} << (length - 1));
  return std::sqrt(chi_squared_noncentrality(degrees, alpha, beta) / exact_double(windows));
}

std::uint64_t serial_min_samples(unsigned length, double effect, double alpha, double beta, double p) {
  require(length >= 2 && length <= kLongestPattern, "2 <= pattern length <= 8");
  require(effect > 0.0, "effect > 0");
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  const auto degrees = static_cast<double>(std::uint64_t{1} << (length - 1));
  const double samples =
      std::max(std::ceil(chi_squared_noncentrality(degrees, alpha, beta) / (effect * effect)),
               std::ceil(kMinimumExpectedPatterns / std::pow(std::min(p, 1.0 - p), double(length))));
  return samples < 0x1p63 ? static_cast<std::uint64_t>(samples) : std::numeric_limits<std::uint64_t>::max();
}

}  // namespace dropcheck::stats
