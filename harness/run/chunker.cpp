#include "harness/run/chunker.hpp"

#include <algorithm>

namespace dropcheck {
namespace {

constexpr std::uint64_t kChunkWords = kChunkBits / 64;

/// `length` bits, 1 to 64, from bit `at` on. Bits past the end of `words` read as 0.
std::uint64_t bits_at(std::span<const std::uint64_t> words, std::uint64_t at, std::uint64_t length) {
  const std::uint64_t index = at / 64, shift = at % 64;
  std::uint64_t word = words[index] >> shift;
  if (shift != 0 && index + 1 < words.size()) word |= words[index + 1] << (64 - shift);
  return length == 64 ? word : word & ((std::uint64_t{1} << length) - 1);
}

}  // namespace

void Chunker::append(const MaskBits& bits, double p) {
  p_ = p;
  std::uint64_t at = 0;
  if (pending_size_ == 0) {  // whole chunks need no copy
    for (; bits.size() - at >= kChunkBits; at += kChunkBits)
      emit(bits.words().subspan(at / 64, kChunkWords), kChunkBits);
  }
  if (at < bits.size() && pending_.empty()) pending_.assign(kChunkWords, 0);
  while (at < bits.size()) {
    const std::uint64_t offset = pending_size_ % 64;
    const std::uint64_t length = std::min(64 - offset, bits.size() - at);
    pending_[pending_size_ / 64] |= bits_at(bits.words(), at, length) << offset;
    at += length;
    pending_size_ += length;
    if (pending_size_ == kChunkBits) finish();
  }
}

void Chunker::finish() {
  if (pending_size_ == 0) return;
  const std::uint64_t size = pending_size_;
  pending_size_ = 0;
  emit(std::span<const std::uint64_t>(pending_).first((size + 63) / 64), size);
  std::fill(pending_.begin(), pending_.end(), 0);
}

void Chunker::emit(std::span<const std::uint64_t> words, std::uint64_t size) {
  sink_({words, size, order_, block_, index_++, p_});
}

}  // namespace dropcheck
