#pragma once
// Entries on both sides of a seam: where one thread, warp, block or vector ends and the next begins. A seam
// is one pair in B, which a statistic over all pairs dilutes. Positions are counted from the beginning of a
// call. Broken preconditions throw std::domain_error.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "harness/core/mask_bits.hpp"

namespace dropcheck::stats {

/// Distances of seams, and of the two entries of a pair that straddles one: entry B - 1 mod B and the one
/// 1 or 4 further on. Pairs of one spacing and distance are disjoint.
inline constexpr std::array<std::uint64_t, 6> kSeamSpacings = {32, 64, 128, 256, 512, 1024};
inline constexpr std::array<std::uint64_t, 2> kSeamLags = {1, 4};

/// Pairs over the seams of one spacing: numbers of drops on either side and of pairs with both dropped.
/// Given left and right, `both` is hypergeometric, whatever p is.
struct SeamPairs {
  std::uint64_t pairs = 0, left = 0, right = 0, both = 0;
  friend bool operator==(const SeamPairs&, const SeamPairs&) = default;
};

/// Pairs over the seams in one call of `entries` entries.
std::uint64_t seam_pairs(std::uint64_t entries, std::uint64_t spacing, std::uint64_t lag);

/// Drops among entries that a kernel treats apart.
struct EdgeEntries {
  std::uint64_t entries = 0, drops = 0;
  friend bool operator==(const EdgeEntries&, const EdgeEntries&) = default;
};

/// Widths of vectors whose incomplete last one is looked at, for a call of `entries` entries: 4, 8, ... 256,
/// as long as a whole vector fits and where two entries or more are left over that are not those of the width
/// before.
std::vector<std::uint64_t> tail_widths(std::uint64_t entries);

struct BoundaryCounts {
  /// By kSeamSpacings, then by kSeamLags.
  std::array<std::array<SeamPairs, 2>, 6> seams{};
  SeamPairs last_two;                  // of calls of two entries or more, one pair each
  EdgeEntries first, last;             // entries of calls
  std::array<EdgeEntries, 7> tails{};  // after the last multiple of 4, 8, ... 256 entries

  void add(const MaskBits& call);
  void merge(const BoundaryCounts& other);
};

/// Index into BoundaryCounts::tails of a width.
std::size_t tail_index(std::uint64_t width);

}  // namespace dropcheck::stats
