#pragma once
// Which words of 64 mask entries hold a run of a given length: few do, and only they need a closer look.

#include <cstddef>
#include <cstdint>
#include <span>

namespace dropcheck::stats {

/// Index of the first word from `begin` on in which `words[i] ^ flip` has `length` ones in a row, 1 to 64;
/// words.size() when there is none.
std::size_t next_word_with_run(std::span<const std::uint64_t> words, std::size_t begin, std::uint64_t flip,
                               unsigned length);

}  // namespace dropcheck::stats
