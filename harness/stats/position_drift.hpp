#pragma once
// Where in a sample do the drops lie? Kolmogorov and Smirnov's test of their positions, without knowing p:
// the drops of consecutive segments against an even share of all. Broken preconditions throw
// std::domain_error.

#include <cstdint>
#include <optional>
#include <vector>

#include "harness/core/chunk.hpp"
#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

/// Consecutive segments of a sample, about equal: whole words of 64 entries, at most 1024 of them.
class SegmentPlan {
 public:
  /// A sample of blocks, each of so many entries.
  SegmentPlan(std::uint64_t blocks, std::uint64_t entries_per_block);

  std::size_t segments() const { return segments_; }
  /// Of a word of a chunk.
  std::size_t segment_of(const Chunk& chunk, std::size_t word) const;
  /// Number of words from this one on that lie in the same segment.
  std::uint64_t words_left(const Chunk& chunk, std::size_t word) const;

  friend bool operator==(const SegmentPlan&, const SegmentPlan&) = default;

 private:
  std::uint64_t place(const Chunk& chunk, std::size_t word) const;
  std::uint64_t words_per_block_, words_per_segment_;
  std::size_t segments_;
};

/// Drops and entries of each segment.
class SegmentCounts {
 public:
  explicit SegmentCounts(const SegmentPlan& plan);

  void add(const Chunk& chunk);
  void merge(const SegmentCounts& other);  // of the same plan

  const std::vector<std::uint64_t>& drops() const { return drops_; }
  const std::vector<std::uint64_t>& entries() const { return entries_; }

 private:
  SegmentPlan plan_;
  std::vector<std::uint64_t> drops_, entries_;
};

/// P(max |B(t)|, 0 <= t <= 1, >= x) of a Brownian bridge: 2 (exp(-2x^2) - exp(-8x^2) + exp(-18x^2) - ...)
/// (Kolmogorov 1933; Smirnov 1948), below x = 0.5 by the dual series. Engine "kolmogorov_limit"; below
/// 1e-300 the bound 2 exp(-2x^2). x >= 0.
Tail bridge_tail(double x);

/// Drops or keeps, whichever are rarer, times the share of the others, from which position_drift_test holds:
/// n p^ q^ >= 1000. There the tail is at least the exact one, by dynamic programming at p from 0.001 to 0.98
/// and levels from 1e-3 to 1e-12 (tests): few places of looking make it conservative.
inline constexpr double kPositionMinimumVariance = 1000.0;

struct PositionDrift {
  Tail tail;
  double statistic;     // max |S_t - (t/n) S_n| / sqrt(n p^ q^), p^ the rate seen
  double step;          // 2/n max |S_t - (t/n) S_n|: the size of a half/half step that does the same
  std::size_t segment;  // at whose end the largest deviation lies
};

/// Test of the drops of segments against an even spread, given their sum: p-free, by bridge_tail. Empty where
/// n p^ q^ < kPositionMinimumVariance or there are fewer than 2 segments with entries.
std::optional<PositionDrift> position_drift_test(const SegmentCounts& counts);

/// Minimum detectable effect, as walk_min_effect: 2 sqrt(pq/n) (x_alpha + z_beta / 2) / (1 - 1/segments),
/// since the end of a segment may miss half time by half a segment. Infinity where n p q <
/// kPositionMinimumVariance.
double position_drift_min_effect(std::uint64_t n, std::size_t segments, double alpha, double beta, double p);

/// Smallest n with position_drift_min_effect <= effect, effect > 0. The largest std::uint64_t above 2^53.
std::uint64_t position_drift_min_samples(double effect, std::size_t segments, double alpha, double beta,
                                         double p);

}  // namespace dropcheck::stats
