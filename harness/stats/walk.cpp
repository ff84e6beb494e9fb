#include "harness/stats/walk.hpp"

#include <algorithm>
#include <array>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <limits>
#include <numbers>
#include <span>

#include "harness/stats/preconditions.hpp"
#include "harness/stats/word_counts.hpp"

namespace dropcheck::stats {
namespace {

constexpr double kFewestEntries = 0x1p14;
constexpr double kVarianceOverSkew = 0x1p15;  // least n p q / (1-2p)^2
constexpr std::int64_t kOneDrop = std::int64_t{1} << 42;

double upper_normal(double x) {
  return boost::math::cdf(boost::math::complement(boost::math::normal_distribution<double>(), x));
}

double normal_quantile(double tail) {
  return boost::math::quantile(boost::math::complement(boost::math::normal_distribution<double>(), tail));
}

// The x at which the reflection tail is alpha, by bisection.
double critical_distance(double alpha) {
  double low = 0, high = 40;
  for (int step = 0; step < 60; ++step) {
    const double middle = low + (high - low) / 2;
    (reflection_tail(middle).p_value > alpha ? low : high) = middle;
  }
  return high;
}

// Smallest walk of which this step of the rate is rejected, before looking at validity.
double entries_for(double effect, double alpha, double beta, double p) {
  const double reach = critical_distance(alpha) + normal_quantile(beta) / std::numbers::sqrt2;
  return std::ceil(4 * p * (1 - p) * reach * reach / (effect * effect));
}

double fewest_valid(double p) {
  const double skew = 1 - 2 * p;
  return std::max(kFewestEntries, std::ceil(kVarianceOverSkew * skew * skew / (p * (1 - p))));
}

}  // namespace

void WalkState::add(const Chunk& chunk) {
  if (chunk.size == 0) return;
  require(chunk.p > 0 && chunk.p < 1, "0 < p < 1");
  require(entries_ == 0 || p_ == chunk.p, "one p for the whole walk");
  p_ = chunk.p;
  const auto one_entry = static_cast<std::int64_t>(std::nearbyint(p_ / kUnit));
  // Inside a chunk of 2^20 entries everything fits into 63 bits.
  std::int64_t at = 0, highest = 0, lowest = 0;
  std::array<std::uint8_t, 1024> counts;
  for (std::size_t begin = 0; begin < chunk.words.size(); begin += counts.size()) {
    const std::size_t words = std::min(counts.size(), chunk.words.size() - begin);
    word_counts(chunk.words.subspan(begin, words), std::span(counts.data(), words));
    const bool ends = begin + words == chunk.words.size();
    const std::size_t whole = ends && chunk.size % 64 != 0 ? words - 1 : words;
    for (std::size_t i = 0; i < whole; ++i) {
      at += counts[i] * kOneDrop - 64 * one_entry;
      highest = std::max(highest, at);
      lowest = std::min(lowest, at);
    }
    if (whole < words)
      at += counts[whole] * kOneDrop - static_cast<std::int64_t>(chunk.size % 64) * one_entry;
  }
  highest = std::max(highest, at);
  lowest = std::min(lowest, at);
  highest_ = std::max<Int128>(highest_, sum_ + highest);
  lowest_ = std::min<Int128>(lowest_, sum_ + lowest);
  sum_ += at;
  entries_ += chunk.size;
}

void WalkState::append(const WalkState& later) {
  if (later.entries_ == 0) return;
  require(entries_ == 0 || p_ == later.p_, "one p for the whole walk");
  p_ = later.p_;
  highest_ = std::max<Int128>(highest_, sum_ + later.highest_);
  lowest_ = std::min<Int128>(lowest_, sum_ + later.lowest_);
  sum_ += later.sum_;
  entries_ += later.entries_;
}

bool walk_is_valid(std::uint64_t n, double p) { return p > 0 && p < 1 && exact_double(n) >= fewest_valid(p); }

Tail reflection_tail(double x) {
  constexpr const char* kEngine = "reflection";
  require(x >= 0, "distance >= 0");
  if (x == 0) return tail_from_p(1.0, kEngine);
  if (x < 1) {
    double within = 0;
    for (int k = 0; k < 8; ++k) {
      const double odd = 2 * k + 1;
      const double term = std::exp(-odd * odd * std::numbers::pi * std::numbers::pi / (8 * x * x)) / odd;
      within += k % 2 == 0 ? term : -term;
    }
    return tail_from_p(1 - 4 / std::numbers::pi * within, kEngine);
  }
  double p = 0;
  for (int k = 0; k < 6; ++k) p += (k % 2 == 0 ? 4 : -4) * upper_normal((2 * k + 1) * x);
  if (p >= kSmallestExactTail) return tail_from_p(p, kEngine);
  return tail_below_exact(p, std::log(4 / (x * std::sqrt(2 * std::numbers::pi))) - x * x / 2, kEngine);
}

WalkTest walk_test(const WalkState& walk) {
  require(walk_is_valid(walk.entries(), walk.p()), "n >= 2^14 and n p q >= 2^15 (1-2p)^2");
  const double n = exact_double(walk.entries());
  const double furthest = to_double(std::max(walk.highest(), -walk.lowest())) * WalkState::kUnit;
  const double x = furthest / std::sqrt(n * walk.p() * (1 - walk.p()));
  return {reflection_tail(x), x, 2 * furthest / n};
}

double walk_min_effect(std::uint64_t n, double alpha, double beta, double p) {
  require_error_rates(alpha, beta);
  if (!walk_is_valid(n, p)) return std::numeric_limits<double>::infinity();
  const double reach = critical_distance(alpha) + normal_quantile(beta) / std::numbers::sqrt2;
  return 2 * std::sqrt(p * (1 - p) / exact_double(n)) * std::max(0.0, reach);
}

std::uint64_t walk_min_samples(double effect, double alpha, double beta, double p) {
  require_error_rates(alpha, beta);
  require(effect > 0, "effect > 0");
  require(p > 0 && p < 1, "0 < p < 1");
  const double n = std::max(fewest_valid(p), entries_for(effect, alpha, beta, p));
  return n <= 0x1p53 ? static_cast<std::uint64_t>(n) : std::numeric_limits<std::uint64_t>::max();
}

}  // namespace dropcheck::stats
