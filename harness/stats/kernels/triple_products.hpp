#pragma once
// Products of two and three entries of a window, for all windows of a stretch: the inner loop of the triple
// statistics, compiled for every vector width and chosen at run time.

#include <cstddef>
#include <cstdint>
#include <span>

namespace dropcheck::stats::kernels {

/// Entries of a window reach this far.
inline constexpr unsigned kTripleReach = 32;
/// Pairs 0 < i < j <= kTripleReach, in the order (1,2), (1,3), ... (1,32), (2,3), ...
inline constexpr std::size_t kTripleCount = 496;

/// For the circular stretch of 64 * words.size() bits x, at least two words: pairs[l] += the number of t with
/// x_t = x_(t+l) = 1, l = 1 to 32 (33 elements, pairs[0] counts the ones), and triples[c] += the number with
/// x_t = x_(t+i) = x_(t+j) = 1, c the place of (i, j).
void circular_triples(std::span<const std::uint64_t> words, std::span<std::uint64_t, kTripleReach + 1> pairs,
                      std::span<std::uint64_t, kTripleCount> triples);

}  // namespace dropcheck::stats::kernels
