#include "harness/stats/gaps.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

constexpr double kLongestGap = 16384.0;
constexpr std::uint64_t kMostGaps = 49152;  // of a chunk: bounds the time to about 0.1 ns an entry

void require_rate(double r) { require(r > 0 && r < 1, "the rate of what ends a gap lies inside (0,1)"); }

/// Word w of the chunk with 1 where an event is: a drop, or a keep.
std::uint64_t events_of(const Chunk& chunk, std::size_t w, bool drops) {
  if (drops) return chunk.words[w];
  const std::uint64_t left = chunk.size - 64 * w;
  return left >= 64 ? ~chunk.words[w] : ~chunk.words[w] & ((std::uint64_t{1} << left) - 1);
}

}  // namespace

std::uint64_t planned_gaps(std::uint64_t bits, double r) {
  require_rate(r);
  const double n = exact_double(bits);
  const auto safe = static_cast<std::uint64_t>(std::max(0.0, n * r - 12 * std::sqrt(n * r * (1 - r))));
  return std::min(safe, kMostGaps);
}

std::size_t gap_cells(double r) {
  require_rate(r);
  return static_cast<std::size_t>(std::min(kLongestGap, std::ceil(-20 / std::log1p(-r)))) + 1;
}

std::vector<double> gap_law(double r, std::size_t cells) {
  require_rate(r);
  require(cells > 0, "at least one cell");
  std::vector<double> law;
  for (std::size_t g = 1; g < cells; ++g)
    law.push_back(r * std::exp(static_cast<double>(g - 1) * std::log1p(-r)));
  law.push_back(std::exp(static_cast<double>(cells - 1) * std::log1p(-r)));
  return law;
}

GapCounts::GapCounts(double p) : drops_(gaps_between_drops(p)), histogram_(gap_cells(rate(p)), 0) {}

void GapCounts::add(const Chunk& chunk) {
  const std::uint64_t wanted = planned_gaps(chunk.size, rate(chunk.p));
  const std::uint64_t longest = histogram_.size() - 1;
  std::uint64_t seen = 0;
  std::uint64_t next = 0;  // position at which a gap of 1 would end
  for (std::size_t w = 0; w < chunk.words.size() && seen < wanted; ++w) {
    std::uint64_t events = events_of(chunk, w, drops_);
    if (wanted - seen < 64)  // only the last word may hold more than is wanted
      while (seen + static_cast<std::uint64_t>(std::popcount(events)) > wanted)
        events ^= std::bit_floor(events);
    for (; events != 0; events &= events - 1, ++seen) {
      const std::uint64_t position = 64 * w + static_cast<std::uint64_t>(std::countr_zero(events));
      ++histogram_[std::min(position - next, longest)];
      next = position + 1;
    }
  }
  histogram_[longest] += wanted - seen;
  missing_ += wanted - seen;
  total_ += wanted;
}

void GapCounts::merge(const GapCounts& other) {
  require(drops_ == other.drops_ && histogram_.size() == other.histogram_.size(), "both were made for one p");
  for (std::size_t g = 0; g < histogram_.size(); ++g) histogram_[g] += other.histogram_[g];
  missing_ += other.missing_;
  total_ += other.total_;
}

std::optional<double> gap_degrees_of_freedom(std::uint64_t gaps, double p) {
  const GapCounts counts(p);
  std::vector<std::uint64_t> all_in_one(counts.histogram().size(), 0);
  all_in_one[0] = gaps;
  const auto pooled =
      pooled_chi_squared(all_in_one, gap_law(counts.rate(p), all_in_one.size()), kGapMinimumExpected);
  if (!pooled) return std::nullopt;
  return pooled->degrees_of_freedom;
}

std::optional<PooledChiSquared> gap_test(const GapCounts& counts, double p) {
  return pooled_chi_squared(counts.histogram(), gap_law(counts.rate(p), counts.histogram().size()),
                            kGapMinimumExpected);
}

double gap_min_effect(std::uint64_t gaps, double alpha, double beta, double p) {
  require_error_rates(alpha, beta);
  const auto degrees = gap_degrees_of_freedom(gaps, p);
  if (!degrees) return std::numeric_limits<double>::infinity();
  return std::sqrt(chi_squared_noncentrality(*degrees, alpha, beta) / exact_double(gaps));
}

std::uint64_t gap_min_samples(double effect, double alpha, double beta, double p) {
  require(effect > 0, "effect > 0");
  const auto suffices = [&](std::uint64_t gaps) { return gap_min_effect(gaps, alpha, beta, p) <= effect; };
  std::uint64_t low = 0, high = 2000;
  while (!suffices(high)) {
    if (high >= std::uint64_t{1} << 52) return std::numeric_limits<std::uint64_t>::max();
    low = high;
    high *= 2;
  }
  while (high - low > high / 100) {
    const std::uint64_t middle = low + (high - low) / 2;
    (suffices(middle) ? high : low) = middle;
  }
  return high;
}

}  // namespace dropcheck::stats
