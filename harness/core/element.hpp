#pragma once
// Floating-point elements as double and back with one rounding to nearest even; half types are Eigen's.

#include <Eigen/Core>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "harness/core/vocabulary.hpp"

namespace dropcheck {

/// Value of one element. The dtype must be f64, f32, f16 or bf16.
inline double load_element(const std::byte* at, DType dtype) {
  switch (dtype) {
    case DType::f32: {
      float value;
      std::memcpy(&value, at, sizeof value);
      return static_cast<double>(value);
    }
    case DType::f16: {
      std::uint16_t bits;
      std::memcpy(&bits, at, sizeof bits);
      return static_cast<double>(static_cast<float>(std::bit_cast<Eigen::half>(bits)));
    }
    case DType::bf16: {
      std::uint16_t bits;
      std::memcpy(&bits, at, sizeof bits);
      return static_cast<double>(static_cast<float>(std::bit_cast<Eigen::bfloat16>(bits)));
    }
    default: {
      double value;
      std::memcpy(&value, at, sizeof value);
      return value;
    }
  }
}

/// float rounded to odd: a second rounding to a narrower type then gives what one rounding of the double
/// would.
inline float round_to_odd(double value) {
  const float nearest = static_cast<float>(value);
  if (static_cast<double>(nearest) == value || value != value) return nearest;
  const auto bits = std::bit_cast<std::uint32_t>(nearest);
  if ((bits & 1u) != 0) return nearest;
  const bool went_up_in_magnitude = (static_cast<double>(nearest) > value) == (value > 0);
  return std::bit_cast<float>(went_up_in_magnitude ? bits - 1 : bits + 1);
}

/// Stores the double rounded once to the dtype (f64, f32, f16 or bf16).
inline void store_element(double value, std::byte* at, DType dtype) {
  switch (dtype) {
    case DType::f32: {
      const float rounded = static_cast<float>(value);
      std::memcpy(at, &rounded, sizeof rounded);
      return;
    }
    case DType::f16: {
      const auto rounded = Eigen::half(round_to_odd(value));
      std::memcpy(at, &rounded, sizeof rounded);
      return;
    }
    case DType::bf16: {
      const auto rounded = Eigen::bfloat16(round_to_odd(value));
      std::memcpy(at, &rounded, sizeof rounded);
      return;
    }
    default: std::memcpy(at, &value, sizeof value); return;
  }
}

/// The double rounded to the dtype and widened again.
inline double round_to(double value, DType dtype) {
  std::byte bytes[8] = {};
  store_element(value, bytes, dtype);
  return load_element(bytes, dtype);
}

/// Raw bits of an element in the low bits of the result; for comparison to the bit.
inline std::uint64_t element_bits(const std::byte* at, DType dtype) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, at, size_of(dtype));  // little-endian hosts only, asserted below
  return bits;
}
static_assert(std::endian::native == std::endian::little, "element_bits reads little-endian memory");

}  // namespace dropcheck
