#include "impl/cpu/mask.hpp"

#include <algorithm>
#include <cmath>

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

}  // namespace dropcheck::cpu
