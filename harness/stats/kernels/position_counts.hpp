#pragma once
// How often each position of a mask is 1: positions modulo 1024 along one mask, or all positions over many
// masks. Compiled for every vector width and chosen at run time.

#include <cstddef>
#include <cstdint>
#include <span>

namespace dropcheck::stats::kernels {

inline constexpr std::size_t kLanes = 1024;

/// counts[(first_position + t) mod 1024] += bit t, for t < size. `counts` has kLanes elements;
/// std::domain_error otherwise, and when words do not hold `size` bits. Bits past the size must be 0.
void position_counts(std::span<const std::uint64_t> words, std::uint64_t size,
                     std::span<std::uint64_t> counts, std::uint64_t first_position);

/// counts[t] += bit t, for all t < counts.size(), in bytes that wrap around: after at most 255 masks their
/// owner moves them to wider counters. std::domain_error when words do not hold as many bits.
void add_bits(std::span<const std::uint64_t> words, std::span<std::uint8_t> counts);

}  // namespace dropcheck::stats::kernels
