#include "harness/stats/matrix_rank.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "harness/stats/binomial.hpp"
#include "harness/stats/fair_bits.hpp"
#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

constexpr double kMinimumExpected = 1000;  // of a pooled cell

std::array<double, kRankCells> cell_law() {
  std::array<double, kRankCells> law{};
  for (unsigned deficit = 0; deficit <= kMatrixSize; ++deficit)
    law[std::min<std::size_t>(deficit, kRankCells - 1)] += rank_probability(kMatrixSize, deficit);
  return law;
}

std::optional<PooledChiSquared> pooled(const std::array<std::uint64_t, kRankCells>& matrices) {
  return pooled_chi_squared(matrices, cell_law(), kMinimumExpected);
}

}  // namespace

unsigned binary_rank(std::span<const std::uint64_t, kMatrixSize> rows) {
  std::array<std::uint64_t, kMatrixSize> basis{};  // by leading bit
  unsigned rank = 0;
  for (std::uint64_t row : rows) {
    while (row != 0) {
      std::uint64_t& pivot = basis[static_cast<std::size_t>(std::countl_zero(row))];
      if (pivot == 0) {
        pivot = row;
        ++rank;
        break;
      }
      row ^= pivot;
    }
  }
  return rank;
}

double rank_probability(unsigned size, unsigned deficit) {
  require(size >= 1 && size <= kMatrixSize && deficit <= size, "deficit <= size <= 64");
  const int n = static_cast<int>(size), d = static_cast<int>(deficit), r = n - d;
  double probability = std::ldexp(1.0, -d * d);
  for (int i = 0; i < r; ++i) {
    const double full = 1.0 - std::ldexp(1.0, i - n);
    probability *= full * full / (1.0 - std::ldexp(1.0, i - r));
  }
  return probability;
}

void RankCounts::add(const Chunk& chunk) {
  const FairBits bits = fair_bits(chunk);
  if (is_fair(chunk.p)) ++raw_chunks;
  std::array<std::uint64_t, kMatrixSize> rows;
  for (std::uint64_t first = 0; first + kMatrixBits <= bits.size; first += kMatrixBits) {
    for (unsigned row = 0; row < kMatrixSize; ++row) rows[row] = bits.words[first / 64 + row];
    ++matrices[std::min<std::size_t>(kMatrixSize - binary_rank(rows), kRankCells - 1)];
  }
}

void RankCounts::merge(const RankCounts& other) {
  for (std::size_t cell = 0; cell < kRankCells; ++cell) matrices[cell] += other.matrices[cell];
  raw_chunks += other.raw_chunks;
}

std::uint64_t RankCounts::total() const {
  std::uint64_t sum = 0;
  for (const std::uint64_t count : matrices) sum += count;
  return sum;
}

std::uint64_t planned_matrices(const ChunkCounts& chunks, double p) {
  return chunks.full * (planned_fair_bits(kChunkBits, p) / kMatrixBits) +
         chunks.tails * (planned_fair_bits(chunks.tail_size, p) / kMatrixBits);
}

std::optional<PooledChiSquared> rank_test(const RankCounts& counts) { return pooled(counts.matrices); }

Tail low_rank_test(const RankCounts& counts) {
  return binomial_two_sided(counts.total(), counts.matrices.back(), cell_law().back());
}

double rank_min_effect(std::uint64_t matrices, double alpha, double beta) {
  require_error_rates(alpha, beta);
  const auto cells = pooled({matrices, 0, 0, 0});  // pooling depends on their number only
  if (!cells) return std::numeric_limits<double>::infinity();
  return std::sqrt(chi_squared_noncentrality(cells->degrees_of_freedom, alpha, beta) /
                   exact_double(matrices));
}

std::uint64_t rank_min_samples(double effect, double alpha, double beta) {
  require(effect > 0.0, "effect > 0");
  std::uint64_t low = 0, high = 1;  // never enough; doubled until enough
  while (rank_min_effect(high, alpha, beta) > effect) {
    if (high >= std::uint64_t{1} << 52) return std::numeric_limits<std::uint64_t>::max();
    low = high;
    high *= 2;
  }
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    (rank_min_effect(middle, alpha, beta) <= effect ? high : low) = middle;
  }
  return high;
}

}  // namespace dropcheck::stats
