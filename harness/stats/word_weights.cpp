#include "harness/stats/word_weights.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "harness/stats/character_sum.hpp"
#include "harness/stats/kernels/blocks.hpp"
#include "harness/stats/petrov.hpp"
#include "harness/stats/preconditions.hpp"
#include "harness/stats/word_counts.hpp"

namespace dropcheck::stats {
namespace {

constexpr double kBits = 64;
void require_lag(unsigned lag) { require(lag >= 1 && lag <= kWordLags, "1 <= lag <= 16"); }

// Of one product of two words' standardised numbers of drops.
double term_skewness(double p) {
  const double g = bit_skewness(p);
  return g * g / kBits;
}

// Fourth cumulant of n products, times n, beyond what skewness brings; the same for every lag.
double quartic(double p) {
  const double skewness = bit_skewness(p) / std::sqrt(kBits);
  const double kurtosis = 3 + (bit_kurtosis(p) - 3) / kBits;
  return character_quartic(std::array<std::uint32_t, 2>{0, 1}, skewness, kurtosis);
}

}  // namespace

void WordWeightCounts::add(const Chunk& chunk) {
  const std::size_t words = static_cast<std::size_t>(chunk.size / 64);
  std::vector<std::uint8_t> weights(words);
  word_counts(chunk.words.first(words), weights);
  std::uint64_t total = 0;
  for (const std::uint8_t weight : weights) total += weight;
  std::array<std::uint64_t, kWordLags> sums{};
  kernels::weight_lag_products(weights, sums);
  std::uint64_t outside = 0;  // the first and the last l words, which are a member of one pair only
  for (std::size_t lag = 1; lag <= kWordLags && lag < words; ++lag) {
    outside += std::uint64_t{weights[lag - 1]} + weights[words - lag];
    pairs[lag - 1] += words - lag;
    products[lag - 1] += sums[lag - 1];
    margins[lag - 1] += 2 * total - outside;
  }
}

void WordWeightCounts::merge(const WordWeightCounts& other) {
  for (std::size_t l = 0; l < kWordLags; ++l) {
    pairs[l] += other.pairs[l];
    products[l] += other.products[l];
    margins[l] += other.margins[l];
  }
}

std::uint64_t planned_word_pairs(const ChunkCounts& chunks, unsigned lag) {
  require_lag(lag);
  const auto in_chunk = [&](std::uint64_t size) { return size / 64 > lag ? size / 64 - lag : 0; };
  return chunks.full * in_chunk(kChunkBits) + chunks.tails * in_chunk(chunks.tail_size);
}

bool word_weights_are_valid(std::uint64_t pairs, double p, double alpha) {
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  require(alpha > 0.0 && alpha < 1.0, "0 < alpha < 1");
  if (pairs == 0) return false;
  const double n = exact_double(pairs);
  return petrov_is_valid(term_skewness(p) / std::sqrt(n), alpha, quartic(p) / n);
}

WordWeightTest word_weight_test(const WordWeightCounts& counts, unsigned lag, double p) {
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  require_lag(lag);
  require(counts.pairs[lag - 1] > 0, "at least one pair of words");
  const double n = exact_double(counts.pairs[lag - 1]);
  const double mean = kBits * p;
  // Rounding costs n mean^2 2^-53 against a deviation of sqrt(n) times the variance.
  const double centred =
      exact_double(counts.products[lag - 1]) - mean * (exact_double(counts.margins[lag - 1]) - n * mean);
  const double correlation = centred / (n * mean * (1.0 - p));
  const double z = correlation * std::sqrt(n);
  const double gamma = term_skewness(p) / std::sqrt(n), fourth = quartic(p) / n;
  return {petrov_two_sided(z, gamma, fourth), z, correlation, gamma, fourth};
}

double word_weight_min_effect(std::uint64_t pairs, double alpha, double beta, double p) {
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  if (pairs == 0) return std::numeric_limits<double>::infinity();
  return character_min_effect(pairs, term_skewness(p) / std::sqrt(exact_double(pairs)), alpha, beta);
}

std::uint64_t word_weight_min_samples(double effect, double alpha, double beta, double p) {
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  return character_min_samples(effect, alpha, beta, term_skewness(p));
}

}  // namespace dropcheck::stats
