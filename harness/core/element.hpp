#pragma once
// Elements as double and back with one rounding to nearest even; half types are Eigen's. Complex elements are
// their real parts.

#include <Eigen/Core>
#include <bit>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "harness/core/vocabulary.hpp"

namespace dropcheck {

/// The element at an address that need not be aligned.
template <typename T>
T element_at(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

/// Value of one element; of i64 rounded to double.
inline double load_element(const std::byte* at, DType dtype) {
  switch (dtype) {
    case DType::f32: return static_cast<double>(element_at<float>(at));
    case DType::f16: return static_cast<double>(static_cast<float>(element_at<Eigen::half>(at)));
    case DType::bf16: return static_cast<double>(static_cast<float>(element_at<Eigen::bfloat16>(at)));
    case DType::i64: return static_cast<double>(element_at<std::int64_t>(at));
    case DType::i32: return element_at<std::int32_t>(at);
    case DType::u8:
    case DType::boolean: return std::to_integer<int>(*at);
    case DType::c64: return static_cast<double>(element_at<float>(at));
    case DType::f64:
    case DType::c128: break;
  }
  return element_at<double>(at);
}

/// Stores a value without conversion.
template <typename T>
void put_element(T value, std::byte* at) {
  std::memcpy(at, &value, sizeof value);
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

/// Stores the double rounded once to the dtype, a floating one.
inline void store_element(double value, std::byte* at, DType dtype) {
  switch (dtype) {
    case DType::f32: return put_element(static_cast<float>(value), at);
    case DType::f16: return put_element(Eigen::half(round_to_odd(value)), at);
    case DType::bf16: return put_element(Eigen::bfloat16(round_to_odd(value)), at);
    default: return put_element(value, at);
  }
}

/// Stores an integer that the dtype holds, whatever the dtype.
inline void store_integer(std::int8_t value, std::byte* at, DType dtype) {
  switch (dtype) {
    case DType::i64: return put_element(static_cast<std::int64_t>(value), at);
    case DType::i32: return put_element(static_cast<std::int32_t>(value), at);
    case DType::u8:
    case DType::boolean: return put_element(value, at);
    case DType::c64: return put_element(std::complex<float>(value), at);
    case DType::c128: return put_element(std::complex<double>(value), at);
    default: return store_element(value, at, dtype);
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
