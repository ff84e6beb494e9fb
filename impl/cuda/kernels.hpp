#pragma once
// The kernels, one function a dtype: each is compiled in a file of its own.

#include <cuda_runtime_api.h>

#include "impl/cuda/task.hpp"

namespace dropcheck::cuda {

/// Starts the request's kernel with at most `blocks` blocks. Returns what the launch says.
cudaError_t launch_f64(const Request& request, unsigned blocks, cudaStream_t stream);
cudaError_t launch_f32(const Request& request, unsigned blocks, cudaStream_t stream);
cudaError_t launch_f16(const Request& request, unsigned blocks, cudaStream_t stream);
cudaError_t launch_bf16(const Request& request, unsigned blocks, cudaStream_t stream);

}  // namespace dropcheck::cuda
