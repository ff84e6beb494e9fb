#pragma once
// Keyed hashes that never change: seeds and plan hashes of old reports must stay reproducible. XXH3 is stable
// since 0.8.

#include <cstdint>
#include <string>
#include <string_view>

namespace dropcheck {

/// 64-bit XXH3 of the text under a key.
std::uint64_t keyed_hash(std::uint64_t key, std::string_view text);
/// 128-bit XXH3 as 32 hexadecimal digits.
std::string text_fingerprint(std::string_view text);

}  // namespace dropcheck
