#include "impl/cuda/launch.cuh"

namespace dropcheck::cuda {

cudaError_t launch_bf16(const Request& request, unsigned blocks, cudaStream_t stream) {
  return launch_on_device<BFloat16>(request, blocks, stream);
}

}  // namespace dropcheck::cuda
