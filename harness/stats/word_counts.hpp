#pragma once
// Drops in each word of 64 mask entries: what the statistics of blocks and of the walk are made of.

#include <cstdint>
#include <span>

namespace dropcheck::stats {

/// counts[i] = number of 1 bits of words[i]; as many counts as words.
void word_counts(std::span<const std::uint64_t> words, std::span<std::uint8_t> counts);

}  // namespace dropcheck::stats
