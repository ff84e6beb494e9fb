#pragma once
// Bodies as kernels.

#include <algorithm>

#include "impl/cuda/dispatch.hpp"
#include "impl/cuda/kernels.hpp"

namespace dropcheck::cuda {

inline constexpr unsigned kBlockThreads = 256;

template <typename Body>
__global__ void __launch_bounds__(kBlockThreads) run_body(const __grid_constant__ Body body) {
  body(std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x, std::uint64_t{gridDim.x} * blockDim.x);
}

template <typename T>
cudaError_t launch_on_device(const Request& request, unsigned blocks, cudaStream_t stream) {
  cudaError_t status = cudaSuccess;
  dispatch<T>(request, [&](const auto& body) {
    const std::uint64_t items = request.task.count / body.kItem + 1;
    const std::uint64_t wanted = (items + kBlockThreads - 1) / kBlockThreads;
    const auto grid = static_cast<unsigned>(std::min<std::uint64_t>(wanted, blocks));
    run_body<<<grid, kBlockThreads, 0, stream>>>(body);
    status = cudaGetLastError();
  });
  return status;
}

}  // namespace dropcheck::cuda
