#include "harness/core/packed_mask.hpp"

#include <bit>
#include <cstring>

namespace dropcheck {

// Words are copied as they lie: bit 0 of byte 0 must be bit 0 of word 0.
static_assert(std::endian::native == std::endian::little);

MaskBits drop_bits_of_packed(std::span<const std::byte> packed, std::uint64_t elements) {
  DROPCHECK_CHECK(packed.size() ==
                  static_cast<std::size_t>(packed_bytes(static_cast<std::int64_t>(elements))));
  MaskBits drops(elements);
  if (elements == 0) return drops;
  const std::span<std::uint64_t> words = drops.words();
  std::memcpy(words.data(), packed.data(), packed.size());
  for (std::uint64_t& word : words) word = ~word;
  words.back() &= ~std::uint64_t{0} >> (64 - drops.tail_length());
  return drops;
}

bool has_bits_past_end(std::span<const std::byte> packed, std::uint64_t elements) {
  return elements % 8 != 0 && std::to_integer<unsigned>(packed.back()) >> (elements % 8) != 0;
}

}  // namespace dropcheck
