#pragma once
// What a dialect promises beyond the definition of dropout.

#include <string_view>

namespace dropcheck::suites {

struct Dialect {
  std::string_view name;
  double rate_limit;  // largest |effective p - p| for 0 < p < 1
};

/// A threshold on 24 random bits, the significand of f32, is as fine as a rate must be.
inline constexpr Dialect kPytorchDialect = {"pytorch", 0x1p-24};

}  // namespace dropcheck::suites
