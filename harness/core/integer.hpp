#pragma once
// 128-bit integers for exact sums: weights of up to 2^14 over 2^60 elements still fit.

#include <string>

namespace dropcheck {

__extension__ typedef __int128 Int128;
__extension__ typedef unsigned __int128 UInt128;

/// Decimal text, exact.
inline std::string to_string(Int128 value) {
  if (value == 0) return "0";
  const bool negative = value < 0;
  UInt128 magnitude = negative ? UInt128{0} - static_cast<UInt128>(value) : static_cast<UInt128>(value);
  std::string digits;
  for (; magnitude != 0; magnitude /= 10)
    digits.insert(digits.begin(), static_cast<char>('0' + int(magnitude % 10)));
  return negative ? "-" + digits : digits;
}

/// Nearest double.
inline double to_double(Int128 value) { return static_cast<double>(value); }

}  // namespace dropcheck
