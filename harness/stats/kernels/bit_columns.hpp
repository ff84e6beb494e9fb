#pragma once
// One bit of every word, side by side: entries that lie 64 apart become neighbours.

#include <cstdint>
#include <span>

namespace dropcheck::stats::kernels {

/// columns[c] = bit c' of word j at place j, c' = bits[c], for up to 64 words. As many columns as bits; each
/// bit below 64. std::domain_error otherwise.
void bit_columns(std::span<const std::uint64_t> words, std::span<const unsigned> bits,
                 std::span<std::uint64_t> columns);

}  // namespace dropcheck::stats::kernels
