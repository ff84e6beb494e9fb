#include "harness/stats/triples.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "harness/stats/binomial.hpp"
#include "harness/stats/character_sum.hpp"
#include "harness/stats/petrov.hpp"
#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

constexpr std::uint64_t kLeastBits = std::uint64_t{1} << 16;
constexpr std::uint64_t kShortestStretch = 128;  // no triple meets itself on the other side
constexpr std::uint64_t kChunksReadWhole = 4;

double term_skewness(double p) {
  const double g = bit_skewness(p);
  return g * g * g;
}

// Fourth cumulant of n terms, times n, beyond what skewness brings.
double quartic(std::uint64_t cell, double p) {
  const TripleOffsets at = triple_offsets(cell);
  return character_quartic(std::array<std::uint32_t, 3>{0, at.i, at.j}, bit_skewness(p), bit_kurtosis(p));
}

std::uint64_t stretch(std::uint64_t chunk_size, std::uint64_t bits) {
  const std::uint64_t length = std::bit_floor(std::min(chunk_size, bits));
  return length >= kShortestStretch ? length : 0;
}

// Sum of the centred products. Each of the four terms is of the size of n p^3 or less at small p, so rounding
// costs n p^3 2^-52 against a deviation of sqrt(n p^3).
double centred_sum(const TripleCounts& counts, std::uint64_t cell, double p) {
  const TripleOffsets at = triple_offsets(cell);
  const double n = exact_double(counts.entries());
  const double pairs = exact_double(counts.both(at.i) + counts.both(at.j) + counts.both(at.j - at.i));
  const double drops = exact_double(counts.drops());
  return exact_double(counts.all_three(cell)) - p * (pairs - p * (3 * drops - p * n));
}

// Triples with one or three drops.
std::uint64_t odd_triples(const TripleCounts& counts, std::uint64_t cell) {
  const TripleOffsets at = triple_offsets(cell);
  const std::uint64_t pairs = counts.both(at.i) + counts.both(at.j) + counts.both(at.j - at.i);
  return 3 * counts.drops() + 4 * counts.all_three(cell) - 2 * pairs;
}

}  // namespace

TripleOffsets triple_offsets(std::uint64_t cell) {
  require(cell < kTripleCount, "cell < 496");
  unsigned i = 1;
  for (std::uint64_t in_row = kTripleReach - 1; cell >= in_row; cell -= in_row--) ++i;
  return {i, i + 1 + static_cast<unsigned>(cell)};
}

std::uint64_t triple_bits(const ChunkCounts& chunks) {
  const std::uint64_t count = std::max<std::uint64_t>(chunks.full + chunks.tails, 1);
  const double share = std::sqrt(static_cast<double>(kChunksReadWhole) / static_cast<double>(count));
  const double bits = std::clamp(static_cast<double>(kChunkBits) * share, static_cast<double>(kLeastBits),
                                 static_cast<double>(kChunkBits));
  return std::bit_floor(static_cast<std::uint64_t>(bits));
}

std::uint64_t planned_triple_entries(const ChunkCounts& chunks) {
  const std::uint64_t bits = triple_bits(chunks);
  return chunks.full * stretch(kChunkBits, bits) + chunks.tails * stretch(chunks.tail_size, bits);
}

void TripleCounts::add(const Chunk& chunk) {
  const std::uint64_t length = stretch(chunk.size, bits_);
  if (length == 0) return;
  kernels::circular_triples(chunk.words.first(length / 64), pairs_, triples_);
  entries_ += length;
}

void TripleCounts::merge(const TripleCounts& other) {
  entries_ += other.entries_;
  for (std::size_t l = 0; l < pairs_.size(); ++l) pairs_[l] += other.pairs_[l];
  for (std::size_t c = 0; c < triples_.size(); ++c) triples_[c] += other.triples_[c];
}

bool triples_are_valid(std::uint64_t entries, double p, double alpha) {
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  if (entries == 0) return false;
  if (p == 0.5) return true;
  const double n = exact_double(entries);
  // Offsets i and 2 i share more than others: both kinds must do.
  for (const std::uint64_t cell : {0u, 1u})
    if (!petrov_is_valid(term_skewness(p) / std::sqrt(n), alpha / static_cast<double>(kTripleCount),
                         quartic(cell, p) / n))
      return false;
  return true;
}

TripleTest triple_test(const TripleCounts& counts, double p, std::optional<std::uint64_t> chosen) {
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  require(counts.entries() > 0, "at least one entry");
  require(!chosen || *chosen < kTripleCount, "cell < 496");
  const double n = exact_double(counts.entries());
  const double v = p * (1.0 - p);
  const double gamma = term_skewness(p) / std::sqrt(n);
  const std::uint64_t first = chosen.value_or(0);
  const std::uint64_t end = chosen ? first + 1 : kTripleCount;
  TripleTest worst{{1.0, 0.0, ""}, first, 0.0, 0.0, gamma, 0.0};
  for (std::uint64_t cell = first; cell < end; ++cell) {
    const double z = centred_sum(counts, cell, p) / std::sqrt(n * v * v * v);
    // The doubled fair binomial falls with |z|: only a cell further out than all before can be worse.
    if (p == 0.5 && cell != first && std::abs(z) <= std::abs(worst.z)) continue;
    const double fourth = quartic(cell, p) / n;
    const Tail tail = p == 0.5 ? binomial_two_sided(counts.entries(), odd_triples(counts, cell), 0.5)
                               : petrov_two_sided(z, gamma, fourth);
    // Beyond the engine's range all tails are equal, and the further one is the worse one.
    const bool worse = cell == first || tail.log10_p < worst.tail.log10_p ||
                       (tail.log10_p == worst.tail.log10_p && std::abs(z) > std::abs(worst.z));
    if (worse) worst = {tail, cell, z, z / std::sqrt(n), gamma, fourth};
  }
  if (!chosen)
    worst.tail =
        bonferroni(worst.tail, kTripleCount, p == 0.5 ? "binomial_exact_bonferroni" : "petrov_bonferroni");
  return worst;
}

double triple_min_effect(std::uint64_t entries, double alpha, double beta, double p) {
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  if (entries == 0) return std::numeric_limits<double>::infinity();
  return character_min_effect(entries, std::abs(term_skewness(p)) / std::sqrt(exact_double(entries)),
                              alpha / static_cast<double>(kTripleCount), beta);
}

std::uint64_t triple_min_samples(double effect, double alpha, double beta, double p) {
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  return character_min_samples(effect, alpha / static_cast<double>(kTripleCount), beta,
                               std::abs(term_skewness(p)));
}

}  // namespace dropcheck::stats
