#include "harness/core/memory.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <cstring>

namespace dropcheck {
namespace {

class HeapMemory final : public Memory {
 public:
  HeapMemory(std::byte* data, std::size_t size) : data_(data), size_(size) {}
  ~HeapMemory() override { std::free(data_); }
  HeapMemory(const HeapMemory&) = delete;
  HeapMemory& operator=(const HeapMemory&) = delete;
  std::byte* data() override { return data_; }
  std::size_t size() const override { return size_; }

 private:
  std::byte* data_;
  std::size_t size_;
};

}  // namespace

Expected<std::unique_ptr<Memory>> heap_memory(std::size_t bytes) {
  const std::size_t rounded = (bytes + kMemoryAlignment - 1) / kMemoryAlignment * kMemoryAlignment;
  auto* data = static_cast<std::byte*>(std::aligned_alloc(kMemoryAlignment, rounded));
  if (data == nullptr)
    return Error{ErrorCode::resource_exhausted,
                 fmt::format("no memory for a tensor of {} bytes: use a smaller shape", bytes)};
  std::memset(data, 0, rounded);
  return std::unique_ptr<Memory>(new HeapMemory(data, rounded));
}

}  // namespace dropcheck
