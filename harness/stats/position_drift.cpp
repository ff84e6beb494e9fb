#include "harness/stats/position_drift.hpp"

#include <algorithm>
#include <array>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <limits>
#include <numbers>
#include <span>

#include "harness/core/integer.hpp"
#include "harness/stats/preconditions.hpp"
#include "harness/stats/word_counts.hpp"

namespace dropcheck::stats {
namespace {

constexpr std::uint64_t kMostSegments = 1024;
constexpr std::uint64_t kWordsOfAChunk = kChunkBits / 64;

double critical_distance(double alpha) {
  double low = 0, high = 30;
  for (int step = 0; step < 60; ++step) {
    const double middle = low + (high - low) / 2;
    (bridge_tail(middle).p_value > alpha ? low : high) = middle;
  }
  return high;
}

// The detectable step times sqrt(n).
double scaled_effect(std::size_t segments, double alpha, double beta, double p) {
  const boost::math::normal_distribution<double> normal;
  const double reach =
      critical_distance(alpha) + boost::math::quantile(boost::math::complement(normal, beta)) / 2;
  return 2 * std::sqrt(p * (1 - p)) * std::max(0.0, reach) / (1 - 1 / static_cast<double>(segments));
}

}  // namespace

SegmentPlan::SegmentPlan(std::uint64_t blocks, std::uint64_t entries_per_block)
    : words_per_block_((entries_per_block + 63) / 64) {
  require(blocks > 0 && entries_per_block > 0, "a sample with entries");
  const std::uint64_t words = blocks * words_per_block_;
  words_per_segment_ = (words + kMostSegments - 1) / kMostSegments;
  segments_ = static_cast<std::size_t>((words + words_per_segment_ - 1) / words_per_segment_);
}

std::uint64_t SegmentPlan::place(const Chunk& chunk, std::size_t word) const {
  return chunk.block * words_per_block_ + chunk.index * kWordsOfAChunk + word;
}

std::size_t SegmentPlan::segment_of(const Chunk& chunk, std::size_t word) const {
  return static_cast<std::size_t>(place(chunk, word) / words_per_segment_);
}

std::uint64_t SegmentPlan::words_left(const Chunk& chunk, std::size_t word) const {
  return words_per_segment_ - place(chunk, word) % words_per_segment_;
}

SegmentCounts::SegmentCounts(const SegmentPlan& plan)
    : plan_(plan), drops_(plan.segments(), 0), entries_(plan.segments(), 0) {}

void SegmentCounts::add(const Chunk& chunk) {
  std::array<std::uint8_t, 1024> counts;
  for (std::size_t begin = 0; begin < chunk.words.size();) {
    const std::size_t segment = plan_.segment_of(chunk, begin);
    require(segment < drops_.size(), "the chunk lies inside the planned sample");
    const std::size_t words =
        std::min<std::uint64_t>({counts.size(), chunk.words.size() - begin, plan_.words_left(chunk, begin)});
    word_counts(chunk.words.subspan(begin, words), std::span(counts.data(), words));
    std::uint32_t drops = 0;
    for (std::size_t i = 0; i < words; ++i) drops += counts[i];
    drops_[segment] += drops;
    entries_[segment] += std::min<std::uint64_t>(64 * words, chunk.size - 64 * begin);
    begin += words;
  }
}

void SegmentCounts::merge(const SegmentCounts& other) {
  require(plan_ == other.plan_, "both follow one plan");
  for (std::size_t j = 0; j < drops_.size(); ++j) {
    drops_[j] += other.drops_[j];
    entries_[j] += other.entries_[j];
  }
}

Tail bridge_tail(double x) {
  constexpr const char* kEngine = "kolmogorov_limit";
  require(x >= 0, "distance >= 0");
  if (x == 0) return tail_from_p(1.0, kEngine);
  if (x < 0.5) {
    double within = 0;
    for (int k = 0; k < 6; ++k) {
      const double odd = 2 * k + 1;
      within += std::exp(-odd * odd * std::numbers::pi * std::numbers::pi / (8 * x * x));
    }
    return tail_from_p(1 - std::sqrt(2 * std::numbers::pi) / x * within, kEngine);
  }
  double p = 0;
  for (int k = 1; k <= 10; ++k) p += (k % 2 == 1 ? 2 : -2) * std::exp(-2.0 * k * k * x * x);
  if (p >= kSmallestExactTail) return tail_from_p(p, kEngine);
  return tail_below_exact(p, std::numbers::ln2 - 2 * x * x, kEngine);
}

std::optional<PositionDrift> position_drift_test(const SegmentCounts& counts) {
  std::uint64_t drops = 0, entries = 0;
  std::size_t used = 0;
  for (std::size_t j = 0; j < counts.drops().size(); ++j) {
    drops += counts.drops()[j];
    entries += counts.entries()[j];
    if (counts.entries()[j] > 0) ++used;
  }
  if (used < 2) return std::nullopt;
  const double n = exact_double(entries);
  const double variance = exact_double(drops) * (exact_double(entries - drops) / n);
  if (variance < kPositionMinimumVariance) return std::nullopt;
  // n times the deviation is an integer.
  UInt128 largest = 0;
  std::size_t where = 0;
  std::uint64_t s = 0, t = 0;
  for (std::size_t j = 0; j < counts.drops().size(); ++j) {
    s += counts.drops()[j];
    t += counts.entries()[j];
    const UInt128 seen = UInt128{s} * entries, even = UInt128{t} * drops;
    const UInt128 deviation = seen > even ? seen - even : even - seen;
    if (deviation > largest) {
      largest = deviation;
      where = j;
    }
  }
  const double furthest = static_cast<double>(largest) / n;
  const double x = furthest / std::sqrt(variance);
  return PositionDrift{bridge_tail(x), x, 2 * furthest / n, where};
}

double position_drift_min_effect(std::uint64_t n, std::size_t segments, double alpha, double beta, double p) {
  require_error_rates(alpha, beta);
  require(p > 0 && p < 1, "0 < p < 1");
  if (segments < 2 || exact_double(n) * p * (1 - p) < kPositionMinimumVariance)
    return std::numeric_limits<double>::infinity();
  return scaled_effect(segments, alpha, beta, p) / std::sqrt(exact_double(n));
}

std::uint64_t position_drift_min_samples(double effect, std::size_t segments, double alpha, double beta,
                                         double p) {
  require_error_rates(alpha, beta);
  require(effect > 0, "effect > 0");
  require(segments >= 2, "at least 2 segments");
  require(p > 0 && p < 1, "0 < p < 1");
  const double root = scaled_effect(segments, alpha, beta, p) / effect;
  const double n = std::max(std::ceil(root * root), std::ceil(kPositionMinimumVariance / (p * (1 - p))));
  return n <= 0x1p53 ? static_cast<std::uint64_t>(n) : std::numeric_limits<std::uint64_t>::max();
}

}  // namespace dropcheck::stats
