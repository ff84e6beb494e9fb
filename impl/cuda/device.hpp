#pragma once
// The device that a context of the plugin runs on. Two definitions of open_device exist: cuda_device.cpp has
// the real one, testing/emulated_device.cpp runs the same element code on the host; a library links one of
// them.

#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include "impl/cuda/task.hpp"

namespace dropcheck::cuda {

/// A text of the runtime, with what was being done.
struct DeviceError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct DeviceFacts {
  std::string kind;         // "cuda" or "cuda-emulated"
  std::string description;  // for people: name, architecture, versions
  unsigned multiprocessors = 0;
  unsigned threads_per_multiprocessor = 0;
};

enum class Direction : int { to_device = 0, to_host = 1 };

/// Methods throw std::bad_alloc where memory is short and DeviceError for everything else.
class Device {
 public:
  Device() = default;
  virtual ~Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  virtual const DeviceFacts& facts() const = 0;
  /// At a multiple of 256 bytes.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void free(void* memory) noexcept = 0;
  virtual void copy(void* to, const void* from, std::size_t bytes, Direction direction) = 0;
  /// Has `start` start a kernel, behind all that was started before; it gets the CUDA runtime's stream, null
  /// where there is none.
  virtual void run(const std::function<void(void* stream)>& start) = 0;
  /// Waits until all that was started is done, and reports what went wrong in it.
  virtual void synchronize() = 0;
};

/// Throws DeviceError with one sentence that names what is missing and how to get it.
std::unique_ptr<Device> open_device();

/// Starts the request's kernel on such a device (cuda_launch.cpp, or on the host
/// testing/emulated_device.cpp). All its pointers are device memory. Throws DeviceError.
void launch(Device& device, DType dtype, const Request& request);

}  // namespace dropcheck::cuda
