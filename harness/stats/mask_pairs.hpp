#pragma once
// Two masks laid over one another, in place or shifted: a stream that does not advance, or advances by too
// little, repeats in the next call what it drew in the last one. Broken preconditions throw
// std::domain_error.

#include <cstdint>
#include <span>

#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

/// Sufficient for the overlap of two streams of entries; additive.
struct OverlapCounts {
  std::uint64_t n = 0;       // pairs of entries
  std::uint64_t first = 0;   // of which the entry of the first mask is dropped
  std::uint64_t second = 0;  // that of the second
  std::uint64_t both = 0;

  void merge(const OverlapCounts& later);
  friend bool operator==(const OverlapCounts&, const OverlapCounts&) = default;
};

/// A packed mask: bit 1 = DROPPED, least significant first.
struct PackedMask {
  std::span<const std::uint64_t> words;
  std::uint64_t size = 0;  // bits; at most 64 times the words
};

/// Adds the pairs (first[t], second[t + shift]) that exist; a negative shift moves the first mask instead.
/// Masks may have different sizes; bits past their sizes are ignored.
void add_overlap(OverlapCounts& counts, const PackedMask& first, const PackedMask& second,
                 std::int64_t shift = 0);

/// Pairs that add_overlap counts for masks of these sizes.
std::uint64_t overlapping_entries(std::uint64_t first_size, std::uint64_t second_size, std::int64_t shift);

/// Exact doubled p-value of the common drops given the drops of both, free of p: hypergeometric_two_sided.
/// Holds where no entry is used twice: pairs of masks must be disjoint. n <= 2^53.
Tail overlap_test(const OverlapCounts& counts);

/// Correlation of the entries (phi coefficient); 0 where a stream is constant.
double overlap_correlation(const OverlapCounts& counts);

/// Positions at which the two streams differ.
std::uint64_t differing_entries(const OverlapCounts& counts);

}  // namespace dropcheck::stats
