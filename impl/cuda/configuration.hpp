#pragma once
// What stands behind '?' in the backend's name.

#include <string>
#include <string_view>

#include "impl/cuda/device.hpp"
#include "impl/cuda/stream_setup.hpp"

namespace dropcheck::cuda {

struct Configuration {
  bool pytorch = false;          // stream=pytorch-cuda; else dropcheck-philox
  PyTorchDevice pytorch_device;  // what the stream is drawn for: by default the device that is there
  /// Name of the stream as docs/streams.md writes it.
  std::string stream_name() const;
};

/// Reads the JSON that the host hands to a plugin. Its text is empty or joined by '&':
/// stream=dropcheck-philox or stream=pytorch-cuda, and for the latter sm=1..1024, threads=256..8192, vec=4
/// or 8. Throws plugin::InvalidArgument with one sentence for anything else.
Configuration read_configuration(std::string_view json, const DeviceFacts& device);

}  // namespace dropcheck::cuda
