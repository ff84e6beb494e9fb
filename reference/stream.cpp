#include "reference/stream.hpp"

#include <algorithm>
#include <cmath>

#include "reference/philox.hpp"

namespace dropcheck::reference {
namespace {

constexpr std::uint32_t low_half(std::uint64_t value) { return static_cast<std::uint32_t>(value); }
constexpr std::uint32_t high_half(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); }

}  // namespace

std::uint64_t drop_threshold(double p) {
  return static_cast<std::uint64_t>(
      std::ceil(std::ldexp(p, 32)));  // the scaling is exact for every double in [0, 1]
}

void draw_mask(std::uint64_t seed, std::uint64_t call, double p, std::span<std::uint8_t> kept) {
  const PhiloxKey key = {low_half(seed), high_half(seed)};
  const std::uint64_t threshold = drop_threshold(p);
  for (std::size_t first = 0; first < kept.size(); first += 4) {
    const std::uint64_t group = first / 4;
    const PhiloxCounter words =
        philox4x32_10({low_half(group), high_half(group), low_half(call), high_half(call)}, key);
    const std::size_t used = std::min<std::size_t>(4, kept.size() - first);
    for (std::size_t i = 0; i < used; ++i) kept[first + i] = words[i] >= threshold ? 1 : 0;
  }
}

}  // namespace dropcheck::reference
