#pragma once
// Where the index arithmetic of one large call wraps: powers of two of its size. At 2^31 entries and some
// they are the distances at which signed indices, unsigned offsets in bytes and narrower counters begin
// again; smaller calls have smaller ones.

#include <array>
#include <cstdint>
#include <span>

#include "harness/core/mask_bits.hpp"
#include "harness/stats/mask_pairs.hpp"

namespace dropcheck::suites {

inline constexpr std::uint64_t kLargeCallParts = 9;     // eight below `half`, and what lies past it
inline constexpr std::size_t kLargeCallDistances = 4;   // half, and its half, quarter and eighth
inline constexpr std::uint64_t kSmallestHalf = 1 << 9;  // parts are then whole words

/// The parts of a call of `entries` entries, more than kSmallestHalf.
class LargeCall {
 public:
  explicit LargeCall(std::uint64_t entries);

  /// The largest power of two below the number of entries: 2^31 for 2^31 + 1 to 2^32.
  std::uint64_t half() const { return half_; }
  /// First entry of part number `part` of kLargeCallParts, and how many it has.
  std::uint64_t begin(std::uint64_t part) const { return part * (half_ / (kLargeCallParts - 1)); }
  std::uint64_t size(std::uint64_t part) const;
  /// Distance number `k` of kLargeCallDistances, the largest first.
  std::uint64_t distance(std::size_t k) const { return half_ >> k; }
  /// Pairs (i, i + distance(k)) of which no entry is in two: stretches of that length, two by two.
  std::uint64_t pairs(std::size_t k) const;

  /// Drops in a part of a mask of that many entries.
  std::uint64_t drops(const MaskBits& mask, std::uint64_t part) const;
  /// Adds those pairs.
  void add_pairs(const MaskBits& mask, std::size_t k, stats::OverlapCounts& counts) const;

 private:
  std::uint64_t entries_, half_;
};

}  // namespace dropcheck::suites
