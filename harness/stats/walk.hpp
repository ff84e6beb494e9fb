#pragma once
// The walk of the drops, W_t = drops among the first t entries - p t, over a whole sample in order. A rate
// that drifts, a part that is not written, a generator that warms up: the walk runs further out than chance
// lets it. Broken preconditions throw std::domain_error.

#include <cstdint>

#include "harness/core/chunk.hpp"
#include "harness/core/integer.hpp"
#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

/// Length, end and extremes of a stretch of the walk, looked at after every 64 entries of a chunk and at its
/// end: a monoid, exact in whatever parts the stretch is read. In units of 2^-42 drops, with p rounded to
/// that: the walk ends less than 2^-43 drops an entry away from that of p, 10^-6 of its standard deviation at
/// 2^34 entries. Chunks are added, and stretches appended, in their order.
class WalkState {
 public:
  void add(const Chunk& chunk);  // all of the same p
  void append(const WalkState& later);

  std::uint64_t entries() const { return entries_; }
  double p() const { return p_; }  // of the chunks; 0 before the first
  Int128 sum() const { return sum_; }
  Int128 highest() const { return highest_; }  // not less than 0, where the walk begins
  Int128 lowest() const { return lowest_; }

  /// Drops of one unit.
  static constexpr double kUnit = 0x1p-42;

 private:
  std::uint64_t entries_ = 0;
  double p_ = 0;
  Int128 sum_ = 0, highest_ = 0, lowest_ = 0;
};

/// True where walk_test holds: n >= 2^14 and n p q >= 2^15 (1-2p)^2, 0 < p < 1. There the tail lies between
/// 0.75 and 1.07 of the exact one, by dynamic programming, at p = 0.5 to 0.01 and levels from 1e-3 to 1e-12;
/// at a fourth of that size it is 1.4 times too small (tests).
bool walk_is_valid(std::uint64_t n, double p);

/// P(max |W(t)|, 0 <= t <= 1, >= x) of a Brownian motion: 4 Q(x) - 4 Q(3x) + 4 Q(5x) - ... by reflection
/// (Bachelier 1901; Feller 1971, X.5), below x = 1 by the dual series. Engine "reflection"; below 1e-300 the
/// bound 4 Q(x) < 4 exp(-x^2/2) / (x sqrt(2 pi)). x >= 0.
Tail reflection_tail(double x);

struct WalkTest {
  Tail tail;
  double statistic;  // max |W| / sqrt(n p q)
  double step;       // 2 max |W| / n: the size of a half/half step of the rate that takes the walk so far
};

/// Test of the largest distance of the walk from 0 by reflection_tail; looking at every 64th entry only makes
/// it conservative. p is that of the chunks. Requires walk_is_valid.
WalkTest walk_test(const WalkState& walk);

/// Minimum detectable effect: the difference d between a rate of p + d in the first half and p - d in the
/// second that is rejected at level alpha with probability at least 1 - beta, by the normal law of the walk
/// at half time: 2 sqrt(pq/n) (x_alpha + z_beta / sqrt 2). Infinity where the test does not hold.
double walk_min_effect(std::uint64_t n, double alpha, double beta, double p);

/// Smallest n with walk_min_effect <= effect, effect > 0. The largest std::uint64_t above 2^53.
std::uint64_t walk_min_samples(double effect, double alpha, double beta, double p);

}  // namespace dropcheck::stats
