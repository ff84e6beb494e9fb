#pragma once
// Does every pattern of k successive entries come as often as it should? Rates, pairs and triples each look
// at a few entries of a window; the counts of all its 2^k patterns look at every dependence inside it at
// once. Windows overlap and are circular in each chunk, so a chunk of n bits has n windows of every length.
// Broken preconditions throw std::domain_error.

#include <array>
#include <cstdint>
#include <vector>

#include "harness/core/chunk.hpp"
#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

inline constexpr unsigned kLongestPattern = 8;

/// Chunks shorter than this are left out: a window must not meet its own beginning.
inline constexpr std::uint64_t kShortestPatternChunk = 64;

/// Expected count of the rarest pattern from which on chi-squared holds down to 1e-10. Products of many
/// factors are skewed; integrated over all directions their third cumulants make the tail at 1e-10 up to 1.8
/// times as heavy where the rarest of 4 or 8 patterns is expected 1000 times, and at most 1.2 times at 4000.
inline constexpr double kMinimumExpectedPatterns = 4000;

struct SerialCounts {
  std::uint64_t windows = 0;
  /// Windows of 8 entries by pattern; bit i of the pattern is the window's entry i, 1 = dropped.
  std::array<std::uint64_t, 1u << kLongestPattern> patterns{};

  void add(const Chunk& chunk);
  void merge(const SerialCounts& other);
  /// Counts of the 2^length patterns of the first `length` entries, 1 <= length <= 8: by circularity those of
  /// all windows of that length.
  std::vector<std::uint64_t> of_length(unsigned length) const;
};

/// Windows that a sample with these chunks brings.
std::uint64_t planned_windows(const ChunkCounts& chunks);

/// Whether even the rarest pattern is expected 4000 times: windows * min(p, q)^length >= 4000, p in (0,1).
bool serial_is_valid(std::uint64_t windows, unsigned length, double p);

struct SerialTest {
  Tail tail;
  double statistic;
  double degrees_of_freedom;
  std::uint64_t worst_pattern;  // the one furthest from its expected count, in deviations
};

/// Q_k - Q_(k-1), Q_k = sum (n_w - n pi_w)^2 / (n pi_w) over the patterns w of k entries, pi_w = p^|w|
/// q^(k-|w|): chi-squared with 2^(k-1) degrees of freedom, 2 <= k <= 8 (Good 1953 for p = 1/2). For any known
/// p, Q_k is the sum of squares of the standardised sums of all products of centred bits that fit into k
/// entries, each counted once for every place it fits; the difference counts each of the 2^(k-1) products
/// once, and they are uncorrelated with variance 1. Q_k itself is not chi-squared. Holds where
/// serial_is_valid; throws elsewhere.
SerialTest serial_test(const SerialCounts& counts, unsigned length, double p);

/// Root of the sum of squared correlations of all products inside `length` entries that is rejected with
/// probability 1 - beta.
double serial_min_effect(std::uint64_t windows, unsigned length, double alpha, double beta);

/// Smallest number of windows with serial_min_effect <= effect, effect > 0; at least what serial_is_valid
/// asks for. The largest std::uint64_t when 2^63 do not suffice.
std::uint64_t serial_min_samples(unsigned length, double effect, double alpha, double beta, double p);

}  // namespace dropcheck::stats
