#include "impl/cpu/mask.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "impl/cpu/clones.hpp"
#include "impl/cpu/philox_lanes.hpp"

namespace dropcheck::cpu {
namespace {

constexpr std::size_t kBatches = 16;
constexpr std::size_t kBufferWords = kBatches * kWordsPerBatch;  // 4 KiB, well inside the first-level cache

DROPCHECK_CPU_CLONES
void compare(const std::uint32_t* words, std::size_t count, std::uint32_t last_dropped, std::uint8_t* kept) {
  for (std::size_t i = 0; i < count; ++i) kept[i] = words[i] > last_dropped ? 1 : 0;
}

}  // namespace

std::uint32_t last_dropped_word(double p) {
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(std::ceil(p * 0x1p32)) - 1);
}

double effective_rate(double p) { return std::ldexp(std::ceil(std::ldexp(p, 32)), -32); }

void MaskStream::draw(std::uint64_t first, std::size_t count, std::uint8_t* kept) const {
  alignas(64) std::uint32_t words[kBufferWords];
  while (count > 0) {
    const std::size_t skip = first % 4;  // words of the first counter that belong to earlier entries
    const std::size_t used = std::min(count, kBufferWords - skip);
    const std::size_t batches = (skip + used + kWordsPerBatch - 1) / kWordsPerBatch;
    philox_words(seed, call, first / 4, batches, words);
    compare(words + skip, used, last_dropped, kept);
    first += used;
    count -= used;
    kept += used;
  }
}

void pack_bytes(const std::uint8_t* kept, std::size_t count, std::byte* packed) {
  // Eight bytes of 0 or 1 times 2^7 + 2^14 + ... + 2^56: byte i, the bit 8 i, comes to stand at bit 56 + i,
  // and no two products meet at one bit (Warren, Hacker's Delight, 2nd ed., section 7-3).
  constexpr std::uint64_t kGather = 0x0102040810204080;
  static_assert(std::endian::native == std::endian::little);
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    std::uint64_t eight;
    std::memcpy(&eight, kept + i, sizeof eight);
    packed[i / 8] = static_cast<std::byte>(eight * kGather >> 56);
  }
  if (i == count) return;
  unsigned last = 0;
  for (std::size_t bit = 0; i + bit < count; ++bit) last |= static_cast<unsigned>(kept[i + bit]) << bit;
  packed[i / 8] = static_cast<std::byte>(last);
}

}  // namespace dropcheck::cpu
