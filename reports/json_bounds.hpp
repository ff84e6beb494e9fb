#pragma once
// A look at a line of untrusted JSON before it is parsed, so that its nesting and its number of values are
// bounded.

#include <cstddef>
#include <string_view>

namespace dropcheck::reports {

inline constexpr std::size_t kMaxLineBytes = std::size_t{64} << 20;
inline constexpr std::size_t kMaxJsonDepth = 64;
inline constexpr std::size_t kMaxJsonValues = std::size_t{1} << 22;

/// What is out of bounds, as the end of a sentence ("is nested deeper than 64 levels"); empty when nothing
/// is.
std::string_view json_bounds_fault(std::string_view line);

}  // namespace dropcheck::reports
