#pragma once
// Counts of pairs of entries a fixed distance apart, for many distances in one pass.

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "harness/core/chunk.hpp"
#include "harness/stats/lag_law.hpp"
#include "harness/stats/pair_products.hpp"

namespace dropcheck::stats {

/// Lags 1 to 64: neighbours, vector lanes, warps.
std::vector<std::uint32_t> short_lags();

/// 96, 128, 192, 256, ... 2^19: the powers of two up to half a chunk and 3 * 2^k between them. Rows, thread
/// blocks and grid strides have such lengths.
std::vector<std::uint32_t> structural_lags();

/// Per lag the counts of PairProducts over all pairs inside the chunks read. Counts add up; no order matters.
class LagCounts {
 public:
  /// `lags` ascending, at least 1, without repetition; std::domain_error otherwise.
  explicit LagCounts(std::vector<std::uint32_t> lags);

  /// Chunks of any size, also shorter than a lag. Bits past the size must be 0.
  void add(const Chunk& chunk);
  /// Adds the counts of other chunks for the same lags.
  void merge(const LagCounts& other);

  const std::vector<std::uint32_t>& lags() const { return lags_; }
  /// Counts of lags()[i].
  const PairProducts& pairs(std::size_t i) const { return pairs_[i]; }
  /// Sizes of the chunks read, ascending, and how many there were of each.
  std::vector<ChunkKind> chunks() const;

 private:
  std::vector<std::uint32_t> lags_;
  std::vector<PairProducts> pairs_;
  std::map<std::uint64_t, std::uint64_t> chunks_;  // size to number
};

}  // namespace dropcheck::stats
