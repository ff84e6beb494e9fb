#pragma once
// Tensors of a call as copies in the memory of the plugin's device.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "harness/abi/dropcheck_plugin.h"
#include "harness/core/memory.hpp"
#include "impl/plugin/dl_tensor.hpp"

namespace dropcheck::plugin_host {

/// Whether tensors can be brought to a device of that name: the plugin has all functions for it, and DLPack
/// has such a device.
Status usable_device(const dropcheck_plugin& table, std::string_view device);

/// Allocations on the device, kept for the next call.
class DeviceMemory {
 public:
  /// The device must be usable; table and context must outlive this.
  DeviceMemory(const dropcheck_plugin& table, void* context, std::string_view device);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  struct Block {
    std::byte* data = nullptr;
    std::size_t bytes = 0;
  };
  /// At least that many bytes; resource_exhausted where the device has none left, even without the idle ones.
  Expected<Block> take(std::size_t bytes);
  void give(Block block) { idle_.push_back(block); }
  Status copy_in(const Block& to, const std::byte* from, std::size_t bytes);
  Status copy_out(std::byte* to, const Block& from, std::size_t bytes);
  Status synchronize();
  DLDevice device() const { return device_; }

 private:
  Expected<Block> allocate(std::size_t bytes);
  void free_idle();

  const dropcheck_plugin& table_;
  void* context_;
  DLDevice device_;
  std::vector<Block> idle_;
};

/// The copies of one call. Whole allocations travel, guard bytes and inputs too, so that the harness sees
/// whatever a kernel wrote to and should not have.
class StagedTensors {
 public:
  explicit StagedTensors(DeviceMemory& device) : device_(device) {}
  ~StagedTensors();
  StagedTensors(const StagedTensors&) = delete;
  StagedTensors& operator=(const StagedTensors&) = delete;

  /// Points the tensor to a copy of its elements. Nothing is done for one without memory, a constant.
  Status lend(LentTensor& tensor, Memory* memory);
  /// Waits for the device and copies everything back.
  Status bring_back();

 private:
  struct Copy {
    Memory* memory;
    DeviceMemory::Block block;
  };
  DeviceMemory& device_;
  std::vector<Copy> copies_;
};

}  // namespace dropcheck::plugin_host
