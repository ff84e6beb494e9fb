#include "impl/plugin/device_memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "harness/core/invariant.hpp"

namespace dropcheck::plugin_host {
namespace {

constexpr std::size_t kAlignment = 256;

struct Name {
  std::string_view name;
  DLDeviceType type;
};
constexpr Name kDevices[] = {
    {"cuda", kDLCUDA}, {"rocm", kDLROCM}, {"metal", kDLMetal}, {"vulkan", kDLVulkan}, {"opencl", kDLOpenCL}};

Error failed(const char* function, int status) {
  const ErrorCode code =
      status == DROPCHECK_OUT_OF_MEMORY ? ErrorCode::resource_exhausted : ErrorCode::backend_failed;
  return Error{code, fmt::format("plugin: {} returned status {}{}", function, status,
                                 status == DROPCHECK_OUT_OF_MEMORY ? ", out of memory" : "")};
}

bool has_hooks(const dropcheck_plugin& table) {
  return table.struct_size >= offsetof(dropcheck_plugin, synchronize) + sizeof table.synchronize &&
         table.memory_allocate != nullptr && table.memory_free != nullptr && table.memory_copy != nullptr &&
         table.synchronize != nullptr;
}

}  // namespace

Status usable_device(const dropcheck_plugin& table, std::string_view device) {
  std::string known;
  for (const Name& row : kDevices) {
    if (row.name == device) {
      if (has_hooks(table)) return Done{};
      return Error{
          ErrorCode::protocol,
          fmt::format("plugin: runs on device '{}' without memory_allocate, memory_free, memory_copy and "
                      "synchronize: tensors cannot be brought there",
                      device)};
    }
    known += fmt::format(", {}", row.name);
  }
  return Error{ErrorCode::unsupported,
               fmt::format("plugin: runs on device '{}': known are cpu{}", device, known)};
}

DeviceMemory::DeviceMemory(const dropcheck_plugin& table, void* context, std::string_view device)
    : table_(table), context_(context), device_{kDLCPU, 0} {
  DROPCHECK_CHECK(has_hooks(table));
  for (const Name& row : kDevices)
    if (row.name == device) device_.device_type = row.type;
}

DeviceMemory::~DeviceMemory() { free_idle(); }

void DeviceMemory::free_idle() {
  for (const Block& block : idle_) table_.memory_free(context_, block.data);
  idle_.clear();
}

Expected<DeviceMemory::Block> DeviceMemory::allocate(std::size_t bytes) {
  void* memory = nullptr;
  const int status = table_.memory_allocate(context_, bytes, &memory);
  if (status != DROPCHECK_OK) return failed("memory_allocate", status);
  if (memory == nullptr || reinterpret_cast<std::uintptr_t>(memory) % kAlignment != 0) {
    if (memory != nullptr) table_.memory_free(context_, memory);
    return Error{ErrorCode::protocol,
                 "plugin: memory_allocate returned no memory at a multiple of 256 bytes"};
  }
  return Block{static_cast<std::byte*>(memory), bytes};
}

Expected<DeviceMemory::Block> DeviceMemory::take(std::size_t bytes) {
  // The smallest idle block that fits, unless it is much too large.
  auto best = idle_.end();
  for (auto block = idle_.begin(); block != idle_.end(); ++block)
    if (block->bytes >= bytes && block->bytes / 4 <= bytes &&
        (best == idle_.end() || block->bytes < best->bytes))
      best = block;
  if (best != idle_.end()) {
    const Block taken = *best;
    idle_.erase(best);
    return taken;
  }
  constexpr std::size_t kMostIdle = 16;
  if (idle_.size() >= kMostIdle) free_idle();
  auto allocated = allocate(bytes);
  if (allocated || allocated.error().code != ErrorCode::resource_exhausted || idle_.empty()) return allocated;
  free_idle();
  return allocate(bytes);
}

Status DeviceMemory::copy_in(const Block& to, const std::byte* from, std::size_t bytes) {
  const int status = table_.memory_copy(context_, to.data, from, bytes, 0);
  return status == DROPCHECK_OK ? Status(Done{}) : failed("memory_copy", status);
}

Status DeviceMemory::copy_out(std::byte* to, const Block& from, std::size_t bytes) {
  const int status = table_.memory_copy(context_, to, from.data, bytes, 1);
  return status == DROPCHECK_OK ? Status(Done{}) : failed("memory_copy", status);
}

Status DeviceMemory::synchronize() {
  const int status = table_.synchronize(context_);
  return status == DROPCHECK_OK ? Status(Done{}) : failed("synchronize", status);
}

StagedTensors::~StagedTensors() {
  for (const Copy& copy : copies_) device_.give(copy.block);
}

Status StagedTensors::lend(LentTensor& tensor, Memory* memory) {
  if (memory == nullptr) {
    tensor.move_to(nullptr, device_.device());
    return Done{};
  }
  auto copy = std::find_if(copies_.begin(), copies_.end(), [&](const Copy& c) { return c.memory == memory; });
  if (copy == copies_.end()) {
    auto block = device_.take(memory->size());
    if (!block) return block.error();
    copy = copies_.insert(copies_.end(), {memory, *block});
    if (Status copied = device_.copy_in(*block, memory->data(), memory->size()); !copied) return copied;
  }
  const auto* const data = static_cast<const std::byte*>(tensor.get()->data);
  tensor.move_to(copy->block.data + (data - memory->data()), device_.device());
  return Done{};
}

Status StagedTensors::bring_back() {
  if (Status done = device_.synchronize(); !done) return done;
  for (const Copy& copy : copies_)
    if (Status copied = device_.copy_out(copy.memory->data(), copy.block, copy.memory->size()); !copied)
      return copied;
  return Done{};
}

}  // namespace dropcheck::plugin_host
