#include "impl/cuda/launch.cuh"

namespace dropcheck::cuda {

cudaError_t launch_f16(const Request& request, unsigned blocks, cudaStream_t stream) {
  return launch_on_device<Half>(request, blocks, stream);
}

}  // namespace dropcheck::cuda
