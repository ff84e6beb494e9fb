#pragma once
// The cheapest thing to do with memory, to compare other loops with.

#include <cstddef>
#include <cstdint>

namespace dropcheck::bench {

/// All bytes OR-ed together, whole vectors of the machine's best instruction set only.
std::uint64_t read_all(const std::byte* data, std::size_t bytes);

}  // namespace dropcheck::bench
