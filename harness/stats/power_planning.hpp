#pragma once
// How many blocks a sample needs before it shows an effect of the size that somebody cares about.

#include <cstdint>
#include <functional>
#include <optional>

namespace dropcheck::stats {

/// Smallest number of blocks, 1 to `most`, at which min_effect(blocks) <= required; empty when not even
/// `most` suffice, or when no number can (required <= 0). min_effect must not rise with the number of blocks
/// (infinity is allowed); where it is saw-toothed the result still satisfies the requirement itself, but need
/// not be the first. Doubling and bisection: about 2 log2 of the result calls. Throws std::domain_error on a
/// NaN and on most = 0.
std::optional<std::uint64_t> min_blocks(const std::function<double(std::uint64_t blocks)>& min_effect,
                                        double required, std::uint64_t most);

}  // namespace dropcheck::stats
