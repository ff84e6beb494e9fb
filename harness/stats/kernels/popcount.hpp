#pragma once
// Numbers of 1 bits in packed masks and in what two masks have in common, compiled for every vector width and
// chosen at run time. Bits past the end of a mask must be 0.

#include <cstddef>
#include <cstdint>
#include <span>

namespace dropcheck::stats::kernels {

/// Number of 1 bits.
std::uint64_t count(std::span<const std::uint64_t> words);

/// Number of positions that are 1 in both. The spans must be equally long; std::domain_error otherwise.
std::uint64_t and_count(std::span<const std::uint64_t> a, std::span<const std::uint64_t> b);

/// Number of i for which the bits 2 i and 2 i + 1 are both 1.
std::uint64_t adjacent_pairs(std::span<const std::uint64_t> words);

/// Gram matrix of `streams` masks of equal length that lie one after the other in `rows`:
/// gram[i * streams + j] += positions that are 1 in both i and j, for all i and j; the diagonal counts each
/// mask's own. std::domain_error when rows.size() is no multiple of `streams` or gram.size() != streams^2.
void pair_counts(std::span<const std::uint64_t> rows, std::size_t streams, std::span<std::uint64_t> gram);

}  // namespace dropcheck::stats::kernels
