#pragma once
// Elements of the four dtypes and their arithmetic, rounded alike on host and device.

#include <cstdint>

#include "impl/cuda/host_device.hpp"

#if defined(__CUDACC__)
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

namespace dropcheck::cuda {

struct Half {
  std::uint16_t bits;
};
struct BFloat16 {
  std::uint16_t bits;
};

/// The type in which arithmetic on T is done: double for f64, float for all others.
template <typename T>
struct RealOf {
  using type = float;
};
template <>
struct RealOf<double> {
  using type = double;
};
template <typename T>
using Real = typename RealOf<T>::type;

/// The nearest binary16 number, ties to even (IEEE 754-2019, 4.3.1).
DROPCHECK_HD std::uint16_t half_bits(float value) {
#if defined(__CUDA_ARCH__)
  return __half_as_ushort(__float2half_rn(value));
#else
  const auto all = bits_as<std::uint32_t>(value);
  const std::uint32_t sign = all >> 16 & 0x8000u;
  std::uint32_t magnitude = all & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u);
  if (magnitude >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);  // 65520 and above
  // Below 2^-14 the last place is 2^-24, as it is in f32 at 0.5: the sum rounds there.
  if (magnitude < 0x38800000u)
    return static_cast<std::uint16_t>(
        sign | (bits_as<std::uint32_t>(bits_as<float>(magnitude) + 0.5f) - 0x3f000000u));
  magnitude += 0xfffu + (magnitude >> 13 & 1u);
  return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000u) >> 13));
#endif
}

DROPCHECK_HD float half_value(std::uint16_t bits) {
#if defined(__CUDA_ARCH__)
  return __half2float(__ushort_as_half(bits));
#else
  const std::uint32_t sign = (bits & 0x8000u) << 16, magnitude = bits & 0x7fffu;
  if (magnitude < 0x400u) {
    const float small = static_cast<float>(magnitude) * 0x1p-24f;
    return bits_as<float>(bits_as<std::uint32_t>(small) | sign);
  }
  const std::uint32_t exponent = magnitude >= 0x7c00u ? 0x70000000u : 0x38000000u;
  return bits_as<float>(sign | ((magnitude << 13) + exponent));
#endif
}

/// The nearest bfloat16 number, ties to even.
DROPCHECK_HD std::uint16_t bfloat16_bits(float value) {
#if defined(__CUDA_ARCH__)
  return __bfloat16_as_ushort(__float2bfloat16_rn(value));
#else
  const auto all = bits_as<std::uint32_t>(value);
  if ((all & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>(all >> 16 | 0x40u);
  return static_cast<std::uint16_t>((all + 0x7fffu + (all >> 16 & 1u)) >> 16);
#endif
}

DROPCHECK_HD float widen(float x) { return x; }
DROPCHECK_HD double widen(double x) { return x; }
DROPCHECK_HD float widen(Half x) { return half_value(x.bits); }
DROPCHECK_HD float widen(BFloat16 x) { return bits_as<float>(std::uint32_t{x.bits} << 16); }

template <typename T>
DROPCHECK_HD T narrow(Real<T> value) {
  return value;
}
template <>
DROPCHECK_HD Half narrow<Half>(float value) {
  return {half_bits(value)};
}
template <>
DROPCHECK_HD BFloat16 narrow<BFloat16>(float value) {
  return {bfloat16_bits(value)};
}

// A fused multiply-add would round once where the operators round twice. Host code is compiled with
// -ffp-contract=off.
DROPCHECK_HD float multiply(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fmul_rn(a, b);
#else
  return a * b;
#endif
}
DROPCHECK_HD double multiply(double a, double b) {
#if defined(__CUDA_ARCH__)
  return __dmul_rn(a, b);
#else
  return a * b;
#endif
}
DROPCHECK_HD float add(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fadd_rn(a, b);
#else
  return a + b;
#endif
}
DROPCHECK_HD double add(double a, double b) {
#if defined(__CUDA_ARCH__)
  return __dadd_rn(a, b);
#else
  return a + b;
#endif
}

/// What becomes of an element.
enum class Form : std::uint8_t {
  plain,    // kept ? x * gain : x * 0
  shifted,  // kept ? x * gain + kept_shift : x * 0 + dropped_shift
  copy,     // x with all its bits
};

struct Law {
  Form form = Form::plain;  // by itself, since an addition of 0 would lose the sign of zero
  double gain = 0;
  double kept_shift = 0;
  double dropped_shift = 0;
};

/// A law in the type in which it is applied. The form is known at compile time, so elements need no branch.
template <typename T, Form kForm>
struct RealLaw {
  Real<T> gain, kept_shift, dropped_shift;

  DROPCHECK_HD explicit RealLaw(const Law& law)
      : gain(static_cast<Real<T>>(law.gain)),
        kept_shift(static_cast<Real<T>>(law.kept_shift)),
        dropped_shift(static_cast<Real<T>>(law.dropped_shift)) {}

  DROPCHECK_HD T operator()(T x, bool keep) const {
    if constexpr (kForm == Form::copy) {
      return x;
    } else {
      Real<T> value = multiply(widen(x), keep ? gain : Real<T>{0});
      if constexpr (kForm == Form::shifted) value = add(value, keep ? kept_shift : dropped_shift);
      return narrow<T>(value);
    }
  }
};

}  // namespace dropcheck::cuda
