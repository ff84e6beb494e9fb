#pragma once
// Streaming statistics read the mask entries of a block in chunks of fixed size. No pair of entries, and no
// window, crosses the end of a chunk: integers of chunks then add up in any order, on any number of threads.

#include <cstdint>
#include <span>

namespace dropcheck {

inline constexpr std::uint64_t kChunkBits = std::uint64_t{1} << 20;

/// The order in which mask entries follow one another.
enum class Order : std::uint8_t {
  logical,  // row-major index
  memory,   // address in the output; only where a layout makes it another order
};

/// A stretch of the stream that the calls of one block make, one after the other. Borrowed.
struct Chunk {
  std::span<const std::uint64_t> words;  // bit 1 = DROPPED, least significant first; 0 past `size`
  std::uint64_t size = 0;                // bits, 1 to kChunkBits; only a block's last chunk may be shorter
  Order order = Order::logical;
  std::uint64_t block = 0;  // of the sample
  std::uint64_t index = 0;  // of the chunk in its block
  double p = 0;             // drop probability of the null hypothesis
};

/// How many chunks of which size a sample has; the same for both orders.
struct ChunkCounts {
  std::uint64_t full = 0;       // of kChunkBits
  std::uint64_t tails = 0;      // shorter ones: one a block, or none
  std::uint64_t tail_size = 0;  // bits of each

  /// Pairs (t, t + lag) inside chunks.
  std::uint64_t pairs(std::uint64_t lag) const {
    return full * (lag < kChunkBits ? kChunkBits - lag : 0) + tails * (lag < tail_size ? tail_size - lag : 0);
  }
  /// Disjoint blocks of `bits` entries inside chunks, counted from the start of each.
  std::uint64_t blocks_of(std::uint64_t bits) const {
    return full * (kChunkBits / bits) + tails * (tail_size / bits);
  }
};

}  // namespace dropcheck
