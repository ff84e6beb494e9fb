#pragma once
// The documented stream `dropcheck-philox`: which mask entry takes which random word, and when a word drops.

#include <cstdint>
#include <span>

namespace dropcheck::reference {

inline constexpr const char* kStreamName = "dropcheck-philox";

/// Number of 32-bit words that drop: word * 2^-32 < p as real numbers, which is word < ceil(p * 2^32). p is
/// in [0, 1].
std::uint64_t drop_threshold(double p);

/// Writes the mask of drawing call number `call` after the reseed with `seed`: 1 = kept, one byte an entry.
/// Entry i takes word i % 4 of Philox4x32-10 at counter (i / 4, call), 64 bits each with the low half first,
/// under the key `seed`, low half first.
void draw_mask(std::uint64_t seed, std::uint64_t call, double p, std::span<std::uint8_t> kept);

}  // namespace dropcheck::reference
