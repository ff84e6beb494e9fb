#pragma once
// Marks functions that run on the host and on the device: the host's tests then run the device's own code.

#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)
#define DROPCHECK_HD __host__ __device__ inline
#else
#define DROPCHECK_HD inline
#endif

// Arrays of a thread stay in registers only where every index is a constant, so short loops are unrolled.
#if defined(__CUDA_ARCH__)
#define DROPCHECK_UNROLL _Pragma("unroll")
#elif defined(__CUDACC__)
#define DROPCHECK_UNROLL
#else
#define DROPCHECK_UNROLL _Pragma("GCC unroll 8")
#endif

namespace dropcheck::cuda {

/// The same bits as another type of that size.
template <typename To, typename From>
DROPCHECK_HD To bits_as(const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

struct Quotient {
  std::uint64_t quotient;
  std::uint64_t rest;
};

/// a / b and a mod b. Devices divide 64-bit numbers in a long routine, 32-bit ones in a short one.
DROPCHECK_HD Quotient divide(std::uint64_t a, std::uint64_t b) {
  if (((a | b) >> 32) == 0) {
    const auto short_a = static_cast<std::uint32_t>(a), short_b = static_cast<std::uint32_t>(b);
    return {short_a / short_b, short_a % short_b};
  }
  return {a / b, a % b};
}

}  // namespace dropcheck::cuda
