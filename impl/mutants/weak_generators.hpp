#pragma once
// Generators that are too weak for masks, as libraries have had them.

#include <cstdint>

namespace dropcheck::mutants {

/// MCG31m1 of Intel's Vector Statistics library: x = 1132489760 x mod (2^31 - 1), one cycle of 2^31 - 2
/// states (L'Ecuyer, "Tables of linear congruential generators of different sizes and good lattice
/// structure", Math. Comp. 68, 1999). x must not be 0.
struct Mcg31 {
  static constexpr std::uint64_t kModulus = 0x7FFFFFFF;
  std::uint64_t x;
  /// A number in (0, 1).
  double next() {
    x = x * 1132489760 % kModulus;
    return static_cast<double>(x) / static_cast<double>(kModulus);
  }
};

/// Shift register of 32 bits (Marsaglia, "Xorshift RNGs", J. Stat. Soft. 8, 2003). x must not be 0.
struct Xorshift32 {
  std::uint32_t x;
  std::uint32_t next() {
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return x;
  }
};

/// Linear congruential generator modulo 2^bits, at most 32: x = a x + c.
struct PowerOfTwoLcg {
  std::uint32_t a, c, x;
  unsigned bits = 32;
  std::uint32_t next() {
    x = a * x + c;
    if (bits < 32) x &= (std::uint32_t{1} << bits) - 1;
    return x;
  }
};

}  // namespace dropcheck::mutants
