#pragma once
// Masks as a backend sends them packed: one bit an element in logical order, least significant bit first,
// 1 = kept, and 0 past the last element.

#include <cstddef>
#include <cstdint>
#include <span>

#include "harness/core/mask_bits.hpp"

namespace dropcheck {

/// Bytes that hold one bit for each of so many elements.
constexpr std::int64_t packed_bytes(std::int64_t elements) { return elements / 8 + (elements % 8 != 0); }

/// The drop bits (1 = dropped) of that many elements. `packed` has packed_bytes(elements) bytes; bits past
/// the last element are not looked at.
MaskBits drop_bits_of_packed(std::span<const std::byte> packed, std::uint64_t elements);

/// Whether a bit past the last element is set.
bool has_bits_past_end(std::span<const std::byte> packed, std::uint64_t elements);

}  // namespace dropcheck
