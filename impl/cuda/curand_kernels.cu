#include <string>

#include "impl/cuda/curand_body.cuh"
#include "impl/cuda/device.hpp"

namespace dropcheck::cuda {
namespace {

constexpr unsigned kBlockThreads = 256;

template <typename T>
__global__ void __launch_bounds__(kBlockThreads) curand_dropout(const __grid_constant__ CurandBody<T> body) {
  body(std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x, std::uint64_t{gridDim.x} * blockDim.x);
}

template <typename T>
void start(const CurandTask& task, unsigned blocks, cudaStream_t stream) {
  curand_dropout<T><<<blocks, kBlockThreads, 0, stream>>>(CurandBody<T>{task});
}

}  // namespace

void launch_curand(DType dtype, const CurandTask& task, std::uint64_t threads, void* stream) {
  const auto blocks = static_cast<unsigned>(threads / kBlockThreads);
  auto* const in = static_cast<cudaStream_t>(stream);
  switch (dtype) {
    case DType::f64: start<double>(task, blocks, in); break;
    case DType::f32: start<float>(task, blocks, in); break;
    case DType::f16: start<Half>(task, blocks, in); break;
    case DType::bf16: start<BFloat16>(task, blocks, in); break;
  }
  const cudaError_t status = cudaGetLastError();
  if (status != cudaSuccess)
    throw DeviceError(std::string("starting the cuRAND kernel: ") + cudaGetErrorString(status));
}

}  // namespace dropcheck::cuda
