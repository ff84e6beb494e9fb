#include "impl/worker/shared_memory.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace dropcheck::worker {
namespace {

constexpr std::size_t kWorthHugePages = std::size_t{4} << 20;

Error no_memory(std::size_t bytes) {
  return {ErrorCode::resource_exhausted,
          fmt::format("no shared memory of {} bytes ({}): use a smaller shape or fewer threads", bytes,
                      std::strerror(errno))};
}

}  // namespace

Expected<std::unique_ptr<SharedMemory>> SharedMemory::create(std::size_t bytes) {
  const std::size_t rounded = (bytes + kMemoryAlignment - 1) / kMemoryAlignment * kMemoryAlignment;
  Descriptor file(memfd_create("dropcheck-tensor", MFD_CLOEXEC));
  if (!file || ftruncate(file.get(), static_cast<off_t>(rounded)) != 0) return no_memory(bytes);
  return map(std::move(file), rounded);
}

Expected<std::unique_ptr<SharedMemory>> SharedMemory::map(Descriptor file, std::size_t bytes) {
  struct stat facts {};
  if (!file || fstat(file.get(), &facts) != 0 || facts.st_size < 0 ||
      static_cast<std::size_t>(facts.st_size) < bytes)
    return Error{ErrorCode::protocol, "a shared memory file is smaller than announced"};
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (data == MAP_FAILED) return no_memory(bytes);
  // Fewer pages to walk in two processes; only a hint, which many systems do not take for shared memory.
  if (bytes >= kWorthHugePages) madvise(data, bytes, MADV_HUGEPAGE);
  return std::unique_ptr<SharedMemory>(
      new SharedMemory(std::move(file), static_cast<std::byte*>(data), bytes));
}

SharedMemory::~SharedMemory() {
  munmap(data_, size_);
  if (on_destroyed) on_destroyed(id);
}

}  // namespace dropcheck::worker
