#pragma once
// Philox4x32-10 for many threads of a CUDA launch at once: the words are those of reference/philox.hpp, which
// is written to be read; this is written to be fast.

#include <cstddef>
#include <cstdint>

namespace dropcheck::reference {

inline constexpr std::size_t kRowThreads = 64;

/// Bit `lane` (0 to 3) of bits[k] is 1 where word `lane` of Philox4x32-10 at counter (count, first_thread +
/// k), 64 bits each with the low half first, under the key `seed` is `threshold` or more. Writes kRowThreads
/// bytes.
void row_at_least(std::uint64_t seed, std::uint64_t count, std::uint64_t first_thread,
                  std::uint32_t threshold, std::uint8_t* bits);

}  // namespace dropcheck::reference
