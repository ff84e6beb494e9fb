#include "impl/cuda/launch.cuh"

namespace dropcheck::cuda {

cudaError_t launch_f64(const Request& request, unsigned blocks, cudaStream_t stream) {
  return launch_on_device<double>(request, blocks, stream);
}

}  // namespace dropcheck::cuda
