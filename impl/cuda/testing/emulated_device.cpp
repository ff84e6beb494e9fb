// A launch on the host: the loops over blocks and threads, around the element code that the kernels run.
// Memory of this "device" can be touched only while something runs on it, and launches take pointers to
// nothing else.

#include <sys/mman.h>

#include <cstring>
#include <iterator>
#include <map>
#include <new>

#include "impl/cuda/device.hpp"
#include "impl/cuda/dispatch.hpp"

namespace dropcheck::cuda {
namespace {

constexpr std::size_t kPage = 4096;

class EmulatedDevice final : public Device {
 public:
  EmulatedDevice() {
    facts_.kind = "cuda-emulated";
    facts_.description = "the element code of the CUDA kernels, run on the host; no GPU had a part in it";
    facts_.multiprocessors = 132;
    facts_.threads_per_multiprocessor = 2048;
  }
  ~EmulatedDevice() override {
    for (const auto& [begin, bytes] : allocations_) ::munmap(begin, bytes);
  }

  const DeviceFacts& facts() const override { return facts_; }

  void* allocate(std::size_t bytes) override {
    if (bytes > kMemory) throw std::bad_alloc();
    const std::size_t rounded = (bytes + kPage) / kPage * kPage;
    void* const memory =
        ::mmap(nullptr, rounded, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    allocations_.emplace(static_cast<char*>(memory), rounded);
    return memory;
  }

  void free(void* memory) noexcept override {
    const auto found = allocations_.find(static_cast<char*>(memory));
    if (found == allocations_.end()) return;
    ::munmap(found->first, found->second);
    allocations_.erase(found);
  }

  void copy(void* to, const void* from, std::size_t bytes, Direction direction) override {
    const Open open(*this);
    const void* const ours = direction == Direction::to_device ? to : from;
    if (bytes > 0 && !holds(ours)) throw DeviceError("a copy to or from memory that is not the device's");
    std::memcpy(to, from, bytes);
  }

  void launch(DType dtype, const Request& request) {
    const Open open(*this);
    const Task& task = request.task;
    for (const void* at : {task.x, static_cast<const void*>(task.y), static_cast<const void*>(task.mask),
                           static_cast<const void*>(task.packed)})
      if (at != nullptr && task.count > 0 && !holds(at))
        throw DeviceError("a launch with a pointer to memory that is not the device's");
    dispatch(dtype, request, [&](const auto& body) {
      // No mask may depend on the number of threads, so it changes from launch to launch: now a thread for
      // each item, now a few with many items each.
      const std::uint64_t threads = ++launches_ % 4 == 0 ? 96 + launches_ % 7 : task.count / body.kItem + 1;
      for (std::uint64_t thread = 0; thread < threads; ++thread) body(thread, threads);
    });
  }

  void run(const std::function<void(void*)>& start) override {
    const Open open(*this);
    start(nullptr);
  }

  void synchronize() override {}

 private:
  static constexpr std::size_t kMemory = std::size_t{1} << 36;

  /// The device's memory can be touched in its scope.
  class Open {
   public:
    explicit Open(const EmulatedDevice& device) : device_(device) { protect(PROT_READ | PROT_WRITE); }
    ~Open() { protect(PROT_NONE); }
    Open(const Open&) = delete;
    Open& operator=(const Open&) = delete;

   private:
    void protect(int rights) const {
      for (const auto& [begin, bytes] : device_.allocations_) ::mprotect(begin, bytes, rights);
    }
    const EmulatedDevice& device_;
  };

  bool holds(const void* at) const {
    const auto* const byte = static_cast<const char*>(at);
    auto after = allocations_.upper_bound(const_cast<char*>(byte));
    if (after == allocations_.begin()) return false;
    const auto& [begin, bytes] = *std::prev(after);
    return byte < begin + bytes;
  }

  DeviceFacts facts_;
  std::map<char*, std::size_t> allocations_;
  std::uint64_t launches_ = 0;
};

}  // namespace

void launch(Device& device, DType dtype, const Request& request) {
  static_cast<EmulatedDevice&>(device).launch(dtype, request);
}

std::unique_ptr<Device> open_device() { return std::make_unique<EmulatedDevice>(); }

}  // namespace dropcheck::cuda
