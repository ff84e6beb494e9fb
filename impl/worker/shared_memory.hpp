#pragma once
// Memory that the run and its worker both map: tensors are written once and never copied between the
// processes.

#include <cstdint>
#include <functional>

#include "harness/core/memory.hpp"
#include "impl/worker/frame.hpp"

namespace dropcheck::worker {

/// A mapping of an anonymous memory file.
class SharedMemory final : public Memory {
 public:
  static Expected<std::unique_ptr<SharedMemory>> create(std::size_t bytes);
  /// Maps a file that came over the socket; its real size must be at least `bytes`.
  static Expected<std::unique_ptr<SharedMemory>> map(Descriptor file, std::size_t bytes);
  ~SharedMemory() override;
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  std::byte* data() override { return data_; }
  std::size_t size() const override { return size_; }
  int descriptor() const { return file_.get(); }

  std::uint64_t id = 0;                             // by which the worker knows it
  std::function<void(std::uint64_t)> on_destroyed;  // tells the worker to unmap

 private:
  SharedMemory(Descriptor file, std::byte* data, std::size_t size)
      : file_(std::move(file)), data_(data), size_(size) {}
  Descriptor file_;
  std::byte* data_;
  std::size_t size_;
};

}  // namespace dropcheck::worker
