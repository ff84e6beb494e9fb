#include "harness/stats/channel_pairs.hpp"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <boost/math/special_functions/log1p.hpp>
#include <cmath>
#include <limits>

#include "harness/stats/chi_squared.hpp"
#include "harness/stats/hypergeometric.hpp"
#include "harness/stats/kernels/popcount.hpp"
#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

constexpr const char* kGammaEngine = "gamma";
constexpr std::size_t kCandidates = 16;  // for the worst pair, at each end

template <typename Visit>
void for_each_pair(std::size_t streams, const PairChoice& choice, Visit&& visit) {
  for (std::size_t i = 0; i + 1 < streams; ++i)
    for (std::size_t j = i + 1; j < streams; ++j)
      if (!choice || choice(i, j)) visit(i, j);
}

/// Common drops minus their expectation given the drops of both, in standard deviations without the common
/// factor sqrt((n - 1) / n): sqrt(n) times the phi coefficient.
double standardised_overlap(const StreamPairs& pairs, std::size_t i, std::size_t j) {
  const double n = exact_double(pairs.entries());
  const double a = exact_double(pairs.drops(i)), b = exact_double(pairs.drops(j));
  const double spread = a * (n - a) / n * (b * (n - b) / n);
  if (!(spread > 0.0)) return 0.0;
  return std::sqrt(n) * (exact_double(pairs.both(i, j)) - a * b / n) / std::sqrt(spread);
}

double kurtosis(double p) {
  const double v = p * (1.0 - p);
  return (1.0 - 3.0 * v) / v;
}

/// P(X <= x) for X ~ Gamma(shape, scale 1). A sum of squares that is 0 is possible, unlike a gamma variable.
Tail gamma_lower(double sum, double shape) {
  const double x = std::max(sum, 1e-12 * shape);
  const double p = boost::math::gamma_p(shape, x);
  if (p >= kSmallestExactTail) return tail_from_p(p, kGammaEngine);
  return tail_below_exact(p, shape * boost::math::log1pmx(x / shape - 1.0), kGammaEngine);
}

Tail doubled(const Tail& tail) { return bonferroni(tail, 2, kGammaEngine); }

/// The smallest n at which `effect` is at most `wanted`, for an effect that falls with n.
template <typename Effect>
std::uint64_t smallest_n(double wanted, const Effect& effect) {
  constexpr std::uint64_t kLimit = std::uint64_t{1} << 53;
  std::uint64_t high = 1;
  while (!(effect(high) <= wanted)) {
    if (high >= kLimit) return std::numeric_limits<std::uint64_t>::max();
    high *= 2;
  }
  std::uint64_t low = high / 2;
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    (effect(middle) <= wanted ? high : low) = middle;
  }
  return high;
}

}  // namespace

StreamPairs::StreamPairs(std::size_t streams) : streams_(streams), both_(streams * streams, 0) {
  require(streams < (std::size_t{1} << 16), "fewer than 65536 streams");
}

void StreamPairs::add(std::span<const std::uint64_t> rows, std::uint64_t size) {
  require(rows.size() == (size + 63) / 64 * streams_, "one row of bits for each stream");
  kernels::pair_counts(rows, streams_, both_);
  entries_ += size;
}

void StreamPairs::merge(const StreamPairs& later) {
  require(later.streams_ == streams_, "the same number of streams");
  entries_ += later.entries_;
  for (std::size_t k = 0; k < both_.size(); ++k) both_[k] += later.both_[k];
}

std::uint64_t chosen_pairs(std::size_t streams, const PairChoice& choice) {
  std::uint64_t count = 0;
  for_each_pair(streams, choice, [&](std::size_t, std::size_t) { ++count; });
  return count;
}

PairOverlap pair_overlap(const StreamPairs& pairs, std::size_t i, std::size_t j) {
  require(i < j && j < pairs.streams(), "a pair i < j of the streams");
  require(pairs.entries() > 0, "at least one entry");
  const double phi = standardised_overlap(pairs, i, j) / std::sqrt(exact_double(pairs.entries()));
  return {i, j, phi,
          hypergeometric_two_sided(pairs.entries(), pairs.drops(i), pairs.drops(j), pairs.both(i, j))};
}

PairOverlap worst_pair(const StreamPairs& pairs, const PairChoice& choice) {
  struct Candidate {
    double z;
    std::size_t i, j;
  };
  std::vector<Candidate> all;
  for_each_pair(pairs.streams(), choice, [&](std::size_t i, std::size_t j) {
    all.push_back({standardised_overlap(pairs, i, j), i, j});
  });
  require(!all.empty(), "at least one pair");
  const std::size_t tests = all.size();
  const auto earlier = [](const Candidate& a, const Candidate& b) {
    return a.i != b.i ? a.i < b.i : a.j < b.j;
  };
  if (tests > 2 * kCandidates) {
    const auto middle = static_cast<std::ptrdiff_t>(kCandidates);
    const auto by_z = [&](const Candidate& a, const Candidate& b) {
      return a.z != b.z ? a.z < b.z : earlier(a, b);
    };
    std::partial_sort(all.begin(), all.begin() + middle, all.end(), by_z);
    std::partial_sort(
        all.begin() + middle, all.begin() + 2 * middle, all.end(),
        [&](const Candidate& a, const Candidate& b) { return a.z != b.z ? a.z > b.z : earlier(a, b); });
    all.resize(2 * kCandidates);
  }
  std::sort(all.begin(), all.end(), earlier);
  PairOverlap worst = pair_overlap(pairs, all[0].i, all[0].j);
  for (std::size_t k = 1; k < all.size(); ++k) {
    const PairOverlap next = pair_overlap(pairs, all[k].i, all[k].j);
    if (next.tail.log10_p < worst.tail.log10_p) worst = next;
  }
  worst.tail = bonferroni(worst.tail, tests, "hypergeometric_bonferroni");
  return worst;
}

PairSumLaw pair_sum_law(std::size_t streams, std::uint64_t n, double p, const PairChoice& choice) {
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  require(n > 0, "at least one entry");
  double pairs = 0.0, shared = 0.0;  // ordered pairs of chosen pairs with one common stream
  if (choice) {
    std::vector<double> degree(streams, 0.0);
    for_each_pair(streams, choice, [&](std::size_t i, std::size_t j) {
      ++degree[i];
      ++degree[j];
      ++pairs;
    });
    for (const double d : degree) shared += d * (d - 1.0);
  } else {
    const auto c = static_cast<double>(streams);
    pairs = c * (c - 1.0) / 2.0;
    shared = c * (c - 1.0) * (c - 2.0);
  }
  const double kappa = kurtosis(p), trials = exact_double(n);
  return {pairs, pairs * (2.0 + (kappa * kappa - 3.0) / trials) + shared * (kappa - 1.0) / trials};
}

bool pair_sum_is_valid(std::size_t streams, std::uint64_t n, double p, const PairChoice& choice) {
  if (!(p > 0.0 && p < 1.0) || n == 0) return false;
  const PairSumLaw law = pair_sum_law(streams, n, p, choice);
  if (law.mean < static_cast<double>(kMinimumSummedPairs)) return false;
  const double v = p * (1.0 - p), squared_skewness = (1.0 - 2.0 * p) * (1.0 - 2.0 * p) / v;
  const double distance = 6.0 * std::sqrt(2.0 * law.mean) + 26.0;  // of chi-squared's quantile at 1e-9
  const double skewness = 5.0 * squared_skewness * squared_skewness * distance * distance * distance /
                          (24.0 * law.mean * law.mean * exact_double(n));
  return std::abs(law.variance / (2.0 * law.mean) - 1.0) <= kPairSumTolerance && skewness <= kPairSumSkewness;
}

PairSum pair_sum(const StreamPairs& pairs, double p, const PairChoice& choice) {
  const std::uint64_t n = pairs.entries();
  require(pair_sum_is_valid(pairs.streams(), n, p, choice), "a gamma law holds for the sum of squares");
  const PairSumLaw law = pair_sum_law(pairs.streams(), n, p, choice);
  const double trials = exact_double(n), v = p * (1.0 - p);
  double sum = 0.0;
  for_each_pair(pairs.streams(), choice, [&](std::size_t i, std::size_t j) {
    // Both streams centred on p: (G - p n_i) - p (n_j - n p), differences of like size first.
    const double s = std::fma(-p, exact_double(pairs.drops(i)), exact_double(pairs.both(i, j))) -
                     p * std::fma(-p, trials, exact_double(pairs.drops(j)));
    sum += s * s;
  });
  PairSum result;
  result.value = sum / (trials * v * v);
  result.law = law;
  result.rms_correlation = std::sqrt(std::max(0.0, result.value / law.mean - 1.0) / trials);
  const double shape = law.mean * law.mean / law.variance, scale = law.variance / law.mean;
  Tail upper = chi_squared_upper(2.0 * result.value / scale, 2.0 * shape);
  upper.engine = kGammaEngine;
  const Tail lower = gamma_lower(result.value / scale, shape);
  result.tail = doubled(upper.log10_p < lower.log10_p ? upper : lower);
  return result;
}

PairSumCounts pair_sum_counts(const StreamPairs& pairs, const PairChoice& choice) {
  PairSumCounts sums;
  for_each_pair(pairs.streams(), choice, [&](std::size_t i, std::size_t j) {
    const Int128 both = pairs.both(i, j), drops = Int128{pairs.drops(i)} + pairs.drops(j);
    ++sums.pairs;
    sums.both += both;
    sums.both_squared += both * both;
    sums.drops += drops;
    sums.drops_squared += drops * drops;
    sums.both_times_drops += both * drops;
  });
  return sums;
}

double pair_sum_min_effect(std::size_t streams, std::uint64_t n, double alpha, double beta, double p) {
  require_error_rates(alpha, beta);
  if (!pair_sum_is_valid(streams, n, p)) return std::numeric_limits<double>::infinity();
  const PairSumLaw law = pair_sum_law(streams, n, p);
  // 2 Q / scale is chi-squared with 2 shape degrees; pairs of mean square correlation r^2 add M n r^2 to Q.
  const double scale = law.variance / law.mean;
  const double lambda =
      chi_squared_noncentrality(2.0 * law.mean * law.mean / law.variance, alpha / 2.0, beta) * scale / 2.0;
  return std::sqrt(lambda / (law.mean * exact_double(n)));
}

std::uint64_t pair_sum_min_samples(std::size_t streams, double rms, double alpha, double beta, double p) {
  require(rms > 0.0 && rms < 1.0, "0 < rms correlation < 1");
  require_error_rates(alpha, beta);
  require(static_cast<double>(streams) * (static_cast<double>(streams) - 1.0) / 2.0 >=
              static_cast<double>(kMinimumSummedPairs),
          "enough pairs for a sum");
  return smallest_n(rms, [&](std::uint64_t n) { return pair_sum_min_effect(streams, n, alpha, beta, p); });
}

double worst_pair_min_effect(std::size_t streams, std::uint64_t n, double alpha, double beta, double p) {
  require(streams >= 2, "at least two streams");
  return overlap_min_effect(n, alpha / static_cast<double>(chosen_pairs(streams)), beta, p);
}

std::uint64_t worst_pair_min_samples(std::size_t streams, double rho, double alpha, double beta, double p) {
  require(streams >= 2, "at least two streams");
  return overlap_min_samples(rho, alpha / static_cast<double>(chosen_pairs(streams)), beta, p);
}

}  // namespace dropcheck::stats
