#include "harness/core/mask_bits.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace dropcheck {
namespace {

template <typename Word>
bool is_zero(Word word) {  // +0 and -0
  return static_cast<Word>(word << 1) == 0;
}

template <typename Word>
bool is_negative(Word word) {  // below zero: sign set and not -0
  return (word >> (8 * sizeof(Word) - 1)) != 0 && !is_zero(word);
}

template <typename Word, bool (*Dropped)(Word)>
void pack_contiguous(const std::byte* data, MaskBits& bits) {
  const std::uint64_t n = bits.size();
  for (std::uint64_t base = 0; base < n; base += 64) {
    const std::uint64_t limit = std::min<std::uint64_t>(64, n - base);
    std::uint64_t word = 0;
    for (std::uint64_t i = 0; i < limit; ++i) {
      Word element;
      std::memcpy(&element, data + (base + i) * sizeof(Word), sizeof element);
      word |= std::uint64_t{Dropped(element)} << i;
    }
    bits.words()[base / 64] = word;
  }
}

template <typename Word>
void pack(Op op, const std::byte* data, MaskBits& bits) {
  if (is_alpha(op)) pack_contiguous<Word, is_negative<Word>>(data, bits);
  else pack_contiguous<Word, is_zero<Word>>(data, bits);
}

}  // namespace

std::uint64_t MaskBits::count() const {
  std::uint64_t total = 0;
  for (const std::uint64_t word : words_) total += static_cast<std::uint64_t>(std::popcount(word));
  return total;
}

std::uint64_t hamming_distance(const MaskBits& a, const MaskBits& b) {
  DROPCHECK_CHECK(a.size() == b.size());
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < a.words().size(); ++i)
    total += static_cast<std::uint64_t>(std::popcount(a.words()[i] ^ b.words()[i]));
  return total;
}

MaskBits drop_bits_of_output(Op op, const TensorView& output) {
  MaskBits bits(static_cast<std::uint64_t>(output.count()));
  const std::byte* data = output.data;
  std::vector<std::byte> dense;
  if (!output.is_contiguous()) {
    dense.resize(bits.size() * output.element_size());
    gather(output, dense.data());
    data = dense.data();
  }
  switch (output.element_size()) {
    case 2: pack<std::uint16_t>(op, data, bits); break;
    case 4: pack<std::uint32_t>(op, data, bits); break;
    case 8: pack<std::uint64_t>(op, data, bits); break;
    default: DROPCHECK_CHECK(is_float(output.dtype));
  }
  return bits;
}

ChannelBits channel_bits(const MaskBits& elements, std::span<const std::int64_t> shape) {
  std::uint64_t channels = 1;
  for (std::size_t d = 0; d < shape.size() && d < 2; ++d) channels *= static_cast<std::uint64_t>(shape[d]);
  ChannelBits result{MaskBits(channels), 0};
  if (channels == 0) return result;
  const std::uint64_t inner = elements.size() / channels;
  for (std::uint64_t c = 0; c < channels; ++c) {
    const std::uint64_t begin = c * inner, end = begin + inner;
    std::uint64_t dropped = 0;
    for (std::uint64_t at = begin; at < end;) {  // the part of each word that belongs to the channel
      const std::uint64_t length = std::min(64 - at % 64, end - at);
      const std::uint64_t part = elements.words()[at / 64] >> (at % 64);
      dropped += static_cast<std::uint64_t>(
          std::popcount(length == 64 ? part : part & ((std::uint64_t{1} << length) - 1)));
      at += length;
    }
    if (inner > 0 && elements[begin]) result.bits.set(c);
    if (dropped != 0 && dropped != inner) ++result.mixed_channels;
  }
  return result;
}

}  // namespace dropcheck
