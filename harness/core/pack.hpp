#pragma once
// Loops over all elements of an output or all words of a mask, compiled for every vector width and chosen at
// run time.

#include <cstddef>
#include <cstdint>
#include <span>

#include "harness/core/vocabulary.hpp"

namespace dropcheck {

/// What a dropped element looks like, whatever its dtype.
enum class DropMark : std::uint8_t {
  zero,      // +0 or -0
  negative,  // sign set, and not -0
};

/// Bit i of `words` = element i of the dense `data` is dropped; bits past `count` are 0. Elements are numbers
/// of 2, 4 or 8 bytes in IEEE order of bits (f16, bf16, f32, f64). `words` has (count + 63) / 64 elements.
/// Returns whether any element has all its bits set.
bool pack_drops(const std::byte* data, std::uint64_t count, std::size_t element_size, DropMark mark,
                std::span<std::uint64_t> words);

/// Number of 1 bits.
std::uint64_t count_ones(std::span<const std::uint64_t> words);
/// Number of positions at which the two differ. The spans are equally long.
std::uint64_t count_differing(std::span<const std::uint64_t> a, std::span<const std::uint64_t> b);

/// Whether any of `count` dense elements of 1, 2, 4, 8 or 16 bytes has all its bits set.
bool any_all_ones(const std::byte* data, std::uint64_t count, std::size_t element_size);

/// The rounded product or quotient that a kept element holds. Half types are computed in f32 and rounded
/// again.
struct ScaledInteger {
  bool divide = false;  // x / operand instead of x * operand
  double operand = 1;   // exact in the dtype, for half types in f32
};

/// Whether every y[i] is +0, -0 or, to the bit, x[i] scaled and rounded to nearest in a floating dtype. y is
/// dense and has x.size() elements.
bool all_zero_or_scaled(const std::byte* y, std::span<const std::int8_t> x, DType dtype, ScaledInteger scale);

}  // namespace dropcheck
