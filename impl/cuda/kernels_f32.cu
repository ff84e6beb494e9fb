#include "impl/cuda/launch.cuh"

namespace dropcheck::cuda {

cudaError_t launch_f32(const Request& request, unsigned blocks, cudaStream_t stream) {
  return launch_on_device<float>(request, blocks, stream);
}

}  // namespace dropcheck::cuda
