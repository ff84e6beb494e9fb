#pragma once
// Philox4x32-10 (Salmon et al. 2011) for many counters at once: the counters lie in lanes, so that one vector
// instruction works on all of them.

#include <cstddef>
#include <cstdint>

namespace dropcheck::cpu {

/// Counters of one batch; a whole number of vectors of every instruction set.
inline constexpr std::size_t kLanes = 16;
inline constexpr std::size_t kWordsPerBatch = 4 * kLanes;

/// Writes `batches` * kWordsPerBatch words: those of counters (group, call) for group = first_group,
/// first_group + 1, ..., each a 64-bit number with its low half first, four words a counter, under the key
/// `seed`, low half first.
void philox_words(std::uint64_t seed, std::uint64_t call, std::uint64_t first_group, std::size_t batches,
                  std::uint32_t* words);

}  // namespace dropcheck::cpu
