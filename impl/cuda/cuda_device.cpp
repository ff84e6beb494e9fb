// The real device, by the CUDA runtime, which is linked in statically: the library loads where there is no
// CUDA and says so.

#include <cuda_runtime_api.h>

#include <new>

#include "impl/cuda/device.hpp"

namespace dropcheck::cuda {
namespace {

/// Kernels are compiled for these and, as PTX, for all that come later (CMakeLists.txt).
constexpr int kOldestArchitecture = 8;

std::string text_of(cudaError_t error) {
  return std::string(cudaGetErrorString(error)) + " (" + cudaGetErrorName(error) + ")";
}

void check(cudaError_t error, const char* doing) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // errors that can be recovered from are not told twice
  if (error == cudaErrorMemoryAllocation) throw std::bad_alloc();
  throw DeviceError(std::string(doing) + ": " + text_of(error));
}

[[noreturn]] void cannot_open(const std::string& missing, const std::string& remedy) {
  throw DeviceError(missing + ": " + remedy);
}

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

/// Why there is no device to use, in one sentence.
void require_device() {
  int driver = 0, runtime = 0, count = 0;
  check(cudaRuntimeGetVersion(&runtime), "asking for the CUDA runtime's version");
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0)
    cannot_open("no NVIDIA driver is installed (libcuda.so.1 cannot be loaded)",
                "install one for CUDA " + version_text(runtime) +
                    " or newer on a machine with an NVIDIA GPU, and see that nvidia-smi lists it");
  const cudaError_t found = cudaGetDeviceCount(&count);
  if (found == cudaErrorInsufficientDriver)
    cannot_open("the NVIDIA driver is for CUDA " + version_text(driver) + ", older than the CUDA " +
                    version_text(runtime) + " that this was built with",
                "install a newer driver, or build with an older CUDA");
  if (found == cudaErrorNoDevice || (found == cudaSuccess && count == 0))
    cannot_open("the NVIDIA driver is there but no GPU is visible",
                "see that nvidia-smi lists one and that CUDA_VISIBLE_DEVICES does not hide it");
  check(found, "looking for GPUs");
}

class CudaDevice final : public Device {
 public:
  CudaDevice() {
    require_device();
    check(cudaSetDevice(0), "choosing the first GPU");
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, 0), "asking for the GPU's properties");
    const std::string architecture =
        "sm_" + std::to_string(properties.major) + std::to_string(properties.minor);
    if (properties.major < kOldestArchitecture)
      cannot_open(std::string(properties.name) + " is of architecture " + architecture +
                      ", and the kernels are built for sm_80 and newer",
                  "use a newer GPU, or build with CMAKE_CUDA_ARCHITECTURES for this one");
    int driver = 0, runtime = 0;
    check(cudaDriverGetVersion(&driver), "asking for the driver's version");
    check(cudaRuntimeGetVersion(&runtime), "asking for the runtime's version");
    facts_.kind = "cuda";
    facts_.description = std::string(properties.name) + ", " + architecture + ", driver for CUDA " +
                         version_text(driver) + ", built with CUDA " + version_text(runtime);
    facts_.multiprocessors = static_cast<unsigned>(properties.multiProcessorCount);
    facts_.threads_per_multiprocessor = static_cast<unsigned>(properties.maxThreadsPerMultiProcessor);
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
  }
  ~CudaDevice() override {
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
  }

  const DeviceFacts& facts() const override { return facts_; }

  void* allocate(std::size_t bytes) override {
    void* memory = nullptr;
    check(cudaMalloc(&memory, bytes > 0 ? bytes : 1), "allocating device memory");
    return memory;
  }
  void free(void* memory) noexcept override { cudaFree(memory); }

  void copy(void* to, const void* from, std::size_t bytes, Direction direction) override {
    const bool in = direction == Direction::to_device;
    check(cudaMemcpyAsync(to, from, bytes, in ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToHost, stream_),
          "copying");
    check(cudaStreamSynchronize(stream_), "copying");
  }

  void run(const std::function<void(void*)>& start) override { start(stream_); }

  void synchronize() override { check(cudaStreamSynchronize(stream_), "running a kernel"); }

 private:
  DeviceFacts facts_;
  cudaStream_t stream_ = nullptr;
};

}  // namespace

std::unique_ptr<Device> open_device() { return std::make_unique<CudaDevice>(); }

}  // namespace dropcheck::cuda
