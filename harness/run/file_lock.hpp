#pragma once
// One process at a time, by the operating system's lock on a file beside the one that is meant. It ends with
// the process, however that ends, so nothing stale is ever left.

#include <string>
#include <utility>

#include "harness/core/expected.hpp"

namespace dropcheck {

class FileLock {
 public:
  /// Takes the lock on `path`, which is made if need be and never removed: a lock on a removed name would
  /// exclude nobody. Does not wait: invalid_argument when another holds it or the file cannot be made.
  static Expected<FileLock> take(const std::string& path);

  FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileLock& operator=(FileLock&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

}  // namespace dropcheck
