#pragma once
// Rank of 64 x 64 matrices of fair bits: bits that are linear functions of a few others give matrices of too
// low rank. Broken preconditions throw std::domain_error.

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "harness/core/chunk.hpp"
#include "harness/stats/chi_squared.hpp"
#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

inline constexpr unsigned kMatrixSize = 64;
inline constexpr std::uint64_t kMatrixBits = std::uint64_t{kMatrixSize} * kMatrixSize;
/// Ranks 64, 63, 62, and 61 or less.
inline constexpr std::size_t kRankCells = 4;

/// Rank over two elements of the matrix with these rows.
unsigned binary_rank(std::span<const std::uint64_t, kMatrixSize> rows);

/// Probability of rank `size` - deficit of a random size x size matrix of fair bits, deficit <= size <= 64:
/// 2^(-d^2) prod_{i=0}^{r-1} (1 - 2^(i-n))^2 / (1 - 2^(i-r)), r = n - d (Landsberg 1893).
double rank_probability(unsigned size, unsigned deficit);

struct RankCounts {
  std::array<std::uint64_t, kRankCells> matrices{};
  std::uint64_t raw_chunks = 0;  // of masks at p = 1/2, read as they are

  /// As many matrices as the chunk's fair bits fill; the rest of them is left out.
  void add(const Chunk& chunk);
  void merge(const RankCounts& other);
  std::uint64_t total() const;
};

/// Matrices that a sample with these chunks is sure to bring, but for a chance of 1e-15 a chunk.
std::uint64_t planned_matrices(const ChunkCounts& chunks, double p);

/// Goodness of fit of the four cells, pooled to 1000 expected matrices each; empty below two cells (fewer
/// than 3463 matrices).
std::optional<PooledChiSquared> rank_test(const RankCounts& counts);

/// Exact binomial tail of the number of matrices of rank 61 or less.
Tail low_rank_test(const RankCounts& counts);

/// Cohen's w of the cells that is rejected with probability 1 - beta; infinity where rank_test is empty.
double rank_min_effect(std::uint64_t matrices, double alpha, double beta);

/// Smallest number of matrices with rank_min_effect <= effect, effect > 0.
std::uint64_t rank_min_samples(double effect, double alpha, double beta);

}  // namespace dropcheck::stats
