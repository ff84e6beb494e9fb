#include "harness/core/hash.hpp"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace dropcheck {

std::uint64_t keyed_hash(std::uint64_t key, std::string_view text) {
  return XXH3_64bits_withSeed(text.data(), text.size(), key);
}

std::string text_fingerprint(std::string_view text) {
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace dropcheck
