#pragma once
// A plain counter-based generator: SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
// generators", OOPSLA 2014) with random access, since its state is a counter times an odd constant.

#include <cstdint>

namespace dropcheck::mutants {

inline constexpr std::uint64_t kGoldenGamma = 0x9E3779B97F4A7C15;

/// The output function of SplitMix64.
constexpr std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

/// Key of a stream: one for every seed, drawing call and use within the call.
constexpr std::uint64_t key_of(std::uint64_t seed, std::uint64_t call, std::uint64_t use) {
  return mix(mix(mix(seed + kGoldenGamma) + call + 1) + use + 1);
}

/// Output number `index` of the SplitMix64 that starts in state `key`.
constexpr std::uint64_t word_of(std::uint64_t key, std::uint64_t index) {
  return mix(key + (index + 1) * kGoldenGamma);
}

}  // namespace dropcheck::mutants
