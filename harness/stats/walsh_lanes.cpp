#include "harness/stats/walsh_lanes.hpp"

#include <cmath>
#include <limits>

#include "harness/stats/character_sum.hpp"
#include "harness/stats/hypergeometric.hpp"
#include "harness/stats/kernels/position_counts.hpp"
#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

constexpr auto kPatterns = static_cast<double>(kWalshLanes - 1);

}  // namespace

void WalshCounts::add(const Chunk& chunk) {
  const std::uint64_t more = chunk.size / kWalshLanes;
  kernels::position_counts(chunk.words.first(more * (kWalshLanes / 64)), more * kWalshLanes, drops, 0);
  rows += more;
}

void WalshCounts::merge(const WalshCounts& other) {
  rows += other.rows;
  for (std::size_t lane = 0; lane < kWalshLanes; ++lane) drops[lane] += other.drops[lane];
}

std::uint64_t planned_walsh_rows(const ChunkCounts& chunks) { return chunks.blocks_of(kWalshLanes); }

WalshTest walsh_test(const WalshCounts& counts, std::optional<std::uint64_t> chosen) {
  require(counts.rows > 0, "at least one row of lanes");
  require(!chosen || (*chosen >= 1 && *chosen < kWalshLanes), "pattern 1 to 1023");
  // [s] becomes the sum over lanes of (-1)^(bits in common with s) times drops.
  std::array<std::int64_t, kWalshLanes> sums;
  for (std::size_t lane = 0; lane < kWalshLanes; ++lane)
    sums[lane] = static_cast<std::int64_t>(counts.drops[lane]);
  for (std::size_t half = 1; half < kWalshLanes; half *= 2)
    for (std::size_t from = 0; from < kWalshLanes; from += 2 * half)
      for (std::size_t i = from; i < from + half; ++i) {
        const std::int64_t a = sums[i], b = sums[i + half];
        sums[i] = a + b;
        sums[i + half] = a - b;
      }
  std::size_t worst = static_cast<std::size_t>(chosen.value_or(1));
  for (std::size_t s = 2; s < kWalshLanes && !chosen; ++s)
    if (std::abs(sums[s]) > std::abs(sums[worst])) worst = s;
  const auto even = static_cast<std::uint64_t>((sums[0] + sums[worst]) / 2);
  const auto odd = static_cast<std::uint64_t>((sums[0] - sums[worst]) / 2);
  const std::uint64_t entries = kWalshLanes * counts.rows;
  Tail tail = hypergeometric_two_sided(entries, entries / 2, even + odd, odd);
  if (!chosen) tail = bonferroni(tail, kWalshLanes - 1, "hypergeometric_bonferroni");
  return {tail, worst, odd, even, -static_cast<double>(sums[worst]) / exact_double(entries)};
}

double walsh_min_effect(std::uint64_t rows, double alpha, double beta, double p) {
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  if (rows == 0) return std::numeric_limits<double>::infinity();
  return std::sqrt(p * (1.0 - p)) * character_min_effect(kWalshLanes * rows, 0, alpha / kPatterns, beta);
}

std::uint64_t walsh_min_samples(double effect, double alpha, double beta, double p) {
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  require(effect > 0.0, "effect > 0");
  const std::uint64_t entries =
      character_min_samples(effect / std::sqrt(p * (1.0 - p)), alpha / kPatterns, beta);
  return entries / kWalshLanes + (entries % kWalshLanes != 0 ? 1 : 0);
}

}  // namespace dropcheck::stats
