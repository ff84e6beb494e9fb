#pragma once
// Philox4x32 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011) with any
// number of rounds. The documented stream has ten; the paper finds seven enough to pass statistical tests, so
// that only an exact comparison tells the two apart.

#include <array>
#include <cstdint>

namespace dropcheck::mutants {

inline constexpr unsigned kPhiloxRounds = 10;

/// Four random words for a counter and a key of two 64-bit numbers each, or one; low halves come first.
constexpr std::array<std::uint32_t, 4> philox4x32(std::uint64_t low_counter, std::uint64_t high_counter,
                                                  std::uint64_t key, unsigned rounds) {
  const auto low = [](std::uint64_t v) { return static_cast<std::uint32_t>(v); };
  const auto high = [](std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32); };
  std::array<std::uint32_t, 4> c = {low(low_counter), high(low_counter), low(high_counter),
                                    high(high_counter)};
  std::uint32_t k0 = low(key), k1 = high(key);
  for (unsigned round = 0; round < rounds; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * c[0], b = std::uint64_t{0xCD9E8D57} * c[2];
    c = {high(b) ^ c[1] ^ k0, low(b), high(a) ^ c[3] ^ k1, low(a)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c;
}

}  // namespace dropcheck::mutants
