#pragma once
// Dropout as it is ordinarily written with cuRAND: a state for each thread, four uniform numbers a step, and
// a grid of as many blocks as the device takes. The mask therefore depends on the launch, and so on the
// device.

// cuRAND's functions also for the host, so that tests there run this very code.
#ifndef QUALIFIERS
#define QUALIFIERS static __forceinline__ __host__ __device__
#endif
#include <curand_kernel.h>

#include "impl/cuda/curand_kernels.hpp"
#include "impl/cuda/element.hpp"

namespace dropcheck::cuda {

template <typename T>
struct CurandBody {
  CurandTask task;

  __host__ __device__ void operator()(std::uint64_t thread, std::uint64_t threads) const {
    curandStatePhilox4_32_10_t state;
    curand_init(task.seed, thread, task.offset, &state);
    const auto* const x = static_cast<const T*>(task.x);
    auto* const y = static_cast<T*>(task.y);
    for (std::uint64_t first = 4 * thread; first < task.count; first += 4 * threads) {
      const float4 u = curand_uniform4(&state);
      keep(x, y, first, u.x);
      keep(x, y, first + 1, u.y);
      keep(x, y, first + 2, u.z);
      keep(x, y, first + 3, u.w);
    }
  }

 private:
  __host__ __device__ void keep(const T* x, T* y, std::uint64_t i, float u) const {
    if (i >= task.count) return;
    const Real<T> factor = u > task.p ? static_cast<Real<T>>(task.scale) : Real<T>{0};
    y[i] = narrow<T>(multiply(widen(x[i]), factor));
  }
};

}  // namespace dropcheck::cuda
