#pragma once
// The stream `dropcheck-philox` as keep bytes: entry i of drawing call c takes word i % 4 of counter (i / 4,
// c) and is dropped when word * 2^-32 < p.

#include <cstddef>
#include <cstdint>

namespace dropcheck::cpu {

/// The largest word that drops, for 0 < p < 1: ceil(p * 2^32) - 1.
std::uint32_t last_dropped_word(double p);

/// Probability that an entry is dropped when p in [0, 1] is asked for: ceil(p * 2^32) / 2^32.
double effective_rate(double p);

/// One drawing call: enough to find any part of its mask again.
struct MaskStream {
  std::uint64_t seed = 0;
  std::uint64_t call = 0;
  std::uint32_t last_dropped = 0;

  /// Writes entries first .. first + count - 1, 1 = kept. Any part may be drawn alone, by any thread.
  void draw(std::uint64_t first, std::size_t count, std::uint8_t* kept) const;
};

/// Packs keep bytes, each 0 or 1, eight to a byte, the first least significant; the last byte is filled up
/// with 0. `packed` has ceil(count / 8) bytes.
void pack_bytes(const std::uint8_t* kept, std::size_t count, std::byte* packed);

}  // namespace dropcheck::cpu
