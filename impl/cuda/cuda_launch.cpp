#include "impl/cuda/device.hpp"
#include "impl/cuda/kernels.hpp"

namespace dropcheck::cuda {

void launch(Device& device, DType dtype, const Request& request) {
  if (request.task.count == 0) return;
  const auto run = dtype == DType::f64   ? launch_f64
                   : dtype == DType::f32 ? launch_f32
                   : dtype == DType::f16 ? launch_f16
                                         : launch_bf16;
  // Enough blocks to fill the device several times over: threads stride over what is left.
  const unsigned blocks = device.facts().multiprocessors * 32;
  device.run([&](void* stream) {
    const cudaError_t status = run(request, blocks, static_cast<cudaStream_t>(stream));
    if (status != cudaSuccess)
      throw DeviceError(std::string("starting a kernel: ") + cudaGetErrorString(status));
  });
}

}  // namespace dropcheck::cuda
