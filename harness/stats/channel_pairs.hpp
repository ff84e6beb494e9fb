#pragma once
// Are any two of many streams of mask entries dropped together? Streams are channels, heads or rows of one
// mask, or the masks of many calls and seeds. The numbers of drops and of common drops of all pairs are
// sufficient for two questions: is one pair dependent, and are all of them a little. Broken preconditions
// throw std::domain_error.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "harness/core/integer.hpp"
#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

/// Drops and common drops of C streams of equal length. Exact; merges in any order.
class StreamPairs {
 public:
  explicit StreamPairs(std::size_t streams);

  /// Appends `size` entries to every stream. `rows` holds the streams one after the other, (size + 63) / 64
  /// words each; bit 1 = DROPPED, 0 past `size`.
  void add(std::span<const std::uint64_t> rows, std::uint64_t size);
  /// Appends what the same streams have shown elsewhere.
  void merge(const StreamPairs& later);

  std::size_t streams() const { return streams_; }
  std::uint64_t entries() const { return entries_; }  // of each stream
  std::uint64_t drops(std::size_t stream) const { return both(stream, stream); }
  /// Entries that both streams drop.
  std::uint64_t both(std::size_t i, std::size_t j) const { return both_[i * streams_ + j]; }

 private:
  std::size_t streams_;
  std::uint64_t entries_ = 0;
  std::vector<std::uint64_t> both_;  // C x C, symmetric; drops of each stream on the diagonal
};

/// Which pairs i < j are tested; must not depend on the masks. Empty: all.
using PairChoice = std::function<bool(std::size_t i, std::size_t j)>;

std::uint64_t chosen_pairs(std::size_t streams, const PairChoice& choice = {});

/// One pair. Given the drops of both streams their common drops are hypergeometric, whatever p is.
struct PairOverlap {
  std::size_t first;
  std::size_t second;
  double correlation;  // of the entries (phi coefficient), 0 where a stream is constant
  Tail tail;           // exact and doubled, of this pair alone
};
PairOverlap pair_overlap(const StreamPairs& pairs, std::size_t i, std::size_t j);

/// The chosen pair with the smallest p-value. `tail` is that p-value times the number of chosen pairs
/// (Bonferroni), capped at 1: valid under any dependence between pairs. Exact p-values are computed for the
/// 16 pairs with the largest and the 16 with the smallest standardised overlap only; leaving others out can
/// only enlarge the result. At least one pair must be chosen.
PairOverlap worst_pair(const StreamPairs& pairs, const PairChoice& choice = {});

/// The sum of squares Q of all chosen pairs, Q = sum S_ij^2 / (n v^2), S_ij = G_ij - p (n_i + n_j) + n p^2,
/// v = p q. With kappa = E a^4 / v^2 = (1 - 3v) / v, a = d - p, exactly, for independent entries,
///   E Q = M,  Var Q = M (2 + (kappa^2 - 3) / n) + sum_i d_i (d_i - 1) (kappa - 1) / n,
/// M chosen pairs, d_i of them with stream i: S_ij^2 and S_ik^2 share the fourth moments of stream i, and
/// pairs without a common stream are uncorrelated.
struct PairSumLaw {
  double mean;
  double variance;
};
PairSumLaw pair_sum_law(std::size_t streams, std::uint64_t n, double p, const PairChoice& choice = {});

/// Whether a gamma law of that mean and variance may stand in for Q: at least kMinimumSummedPairs pairs, a
/// variance within kPairSumTolerance of chi-squared's 2 M, and pairs so close to normal that the second-order
/// term of their skewness, 5 g^4 x^3 / (24 M^2 n), g = (1 - 2p) / sqrt(v), is at most kPairSumSkewness where
/// it matters, at the distance x from the mean of a tail of 1e-9. Where both limits are met, the tail at 1e-9
/// is about 1.2 times the law's at most (a saddlepoint with the cumulants of the pairs taken as independent).
/// Doubling outweighs that: the lower tail is lighter than the law's.
bool pair_sum_is_valid(std::size_t streams, std::uint64_t n, double p, const PairChoice& choice = {});
inline constexpr std::uint64_t kMinimumSummedPairs = 28;  // 8 streams
inline constexpr double kPairSumTolerance = 0.05;
inline constexpr double kPairSumSkewness = 0.1;

struct PairSum {
  Tail tail;     // doubled; both ends: dependence raises Q, streams that balance each other lower it
  double value;  // Q
  PairSumLaw law;
  double rms_correlation;  // sqrt((Q/M - 1)/n), 0 below
};
/// Engine "gamma"; below 1e-300 log10_p is the gamma law's Chernoff bound. Throws where pair_sum_is_valid is
/// false.
PairSum pair_sum(const StreamPairs& pairs, double p, const PairChoice& choice = {});

/// Root mean square correlation of the pairs of `streams` streams of n entries that pair_sum rejects at level
/// alpha with probability 1 - beta; infinity where it is not valid.
double pair_sum_min_effect(std::size_t streams, std::uint64_t n, double alpha, double beta, double p);
/// Smallest n from which on that is at most `rms`, in (0,1); the largest std::uint64_t above 2^53.
std::uint64_t pair_sum_min_samples(std::size_t streams, double rms, double alpha, double beta, double p);

/// Integers from which Q can be computed again for any p, over all chosen pairs (i, j), G_ij their common
/// drops: Q n v^2 = sum G^2 - 2p sum G (n_i + n_j) + 2 n p^2 sum G + p^2 sum (n_i + n_j)^2 - 2 n p^3 sum (n_i
/// + n_j)
/// + M n^2 p^4.
struct PairSumCounts {
  Int128 pairs = 0;             // M
  Int128 both = 0;              // sum G
  Int128 both_squared = 0;      // sum G^2
  Int128 drops = 0;             // sum (n_i + n_j)
  Int128 drops_squared = 0;     // sum (n_i + n_j)^2
  Int128 both_times_drops = 0;  // sum G (n_i + n_j)
};
PairSumCounts pair_sum_counts(const StreamPairs& pairs, const PairChoice& choice = {});

/// Correlation of one of the pairs of `streams` streams that worst_pair rejects at level alpha with
/// probability 1 - beta, and the n from which on it is at most `rho`.
double worst_pair_min_effect(std::size_t streams, std::uint64_t n, double alpha, double beta, double p);
std::uint64_t worst_pair_min_samples(std::size_t streams, double rho, double alpha, double beta, double p);

}  // namespace dropcheck::stats
