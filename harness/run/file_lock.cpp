#include "harness/run/file_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace dropcheck {

Expected<FileLock> FileLock::take(const std::string& path) {
  // O_CLOEXEC: a worker process that outlives us must not keep the lock.
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor < 0)
    return Error{ErrorCode::invalid_argument,
                 fmt::format("cannot open '{}': {}", path, std::strerror(errno))};
  FileLock lock(descriptor);
  while (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK)
      return Error{ErrorCode::invalid_argument,
                   fmt::format("another run holds '{}': wait until it ends", path)};
    return Error{ErrorCode::invalid_argument,
                 fmt::format("cannot lock '{}': {}", path, std::strerror(errno))};
  }
  return lock;
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace dropcheck
