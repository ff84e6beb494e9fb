#pragma once
// Exact sums over small integers: of those that a mask selects, and of all of them. Compiled for every vector
// width and chosen at run time.

#include <cstdint>
#include <span>

namespace dropcheck::stats::kernels {

/// Sum of x, and of x^2, over the values whose bit is 1. std::domain_error when words do not hold
/// values.size() bits.
std::int64_t selected_sum(std::span<const std::uint64_t> words, std::span<const std::int8_t> values);
std::int64_t selected_squares(std::span<const std::uint64_t> words, std::span<const std::int8_t> values);

struct IntegerMoments {
  std::int64_t sum = 0;       // of x
  std::int64_t absolute = 0;  // of |x|
  std::int64_t squares = 0;   // of x^2
  std::int64_t fourths = 0;   // of x^4; exact for up to 2^34 values
  std::int64_t largest = 0;   // |x|

  friend bool operator==(const IntegerMoments&, const IntegerMoments&) = default;
};

/// Over all values.
IntegerMoments integer_moments(std::span<const std::int8_t> values);

}  // namespace dropcheck::stats::kernels
