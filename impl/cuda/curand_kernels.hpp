#pragma once
// One pass of the cuRAND peer over dense tensors.

#include <cstdint>

#include "impl/cuda/task.hpp"

namespace dropcheck::cuda {

struct CurandTask {
  const void* x = nullptr;
  void* y = nullptr;
  std::uint64_t count = 0;
  std::uint64_t seed = 0;
  std::uint64_t offset = 0;  // of each thread's sequence, in 32-bit words
  float p = 0;               // an element is kept where its uniform number in (0, 1] is above p
  double scale = 1;
};

/// Threads of the launch on `count` elements, on a device of that many multiprocessors.
std::uint64_t curand_threads(std::uint64_t count, unsigned multiprocessors);
/// 32-bit words of each thread's sequence that such a launch takes: four for each step of its busiest thread.
std::uint64_t curand_words(std::uint64_t count, std::uint64_t threads);

/// Starts the pass in that stream of the CUDA runtime. Throws DeviceError.
void launch_curand(DType dtype, const CurandTask& task, std::uint64_t threads, void* stream);

}  // namespace dropcheck::cuda
