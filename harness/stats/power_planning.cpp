#include "harness/stats/power_planning.hpp"

#include <cmath>

#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {

std::optional<std::uint64_t> min_blocks(const std::function<double(std::uint64_t blocks)>& min_effect,
                                        double required, std::uint64_t most) {
  require(most > 0, "at least one block");
  require(!std::isnan(required), "the required effect is a number");
  if (required <= 0.0) return std::nullopt;
  const auto enough = [&](std::uint64_t blocks) {
    const double effect = min_effect(blocks);
    require(!std::isnan(effect), "the minimum detectable effect is a number");
    return effect <= required;
  };
  std::uint64_t low = 0;  // no block is never enough
  std::uint64_t high = 1;
  while (!enough(high)) {
    if (high == most) return std::nullopt;
    low = high;
    high = high > most / 2 ? most : high * 2;
  }
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    (enough(middle) ? high : low) = middle;
  }
  return high;
}

}  // namespace dropcheck::stats
