#include "harness/run/atomic_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace dropcheck {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  int get() const { return value_; }
  /// A delayed write may fail as late as here.
  bool close() { return ::close(std::exchange(value_, -1)) == 0; }

 private:
  int value_;
};

Error refusal(const char* what, const std::string& path, const char* why) {
  return {ErrorCode::invalid_argument, fmt::format("cannot {} '{}': {}", what, path, why)};
}

Error io_error(const std::string& path) {
  return {ErrorCode::io, fmt::format("cannot write '{}': {}", path, std::strerror(errno))};
}

bool write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

Expected<std::optional<std::string>> read_plain_file(const std::string& path, std::size_t most) {
  // O_NONBLOCK: opening a pipe must not wait for its other end.
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) {
    if (errno == ENOENT) return std::optional<std::string>();
    return refusal("read", path, std::strerror(errno));
  }
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0) return refusal("read", path, std::strerror(errno));
  if (!S_ISREG(facts.st_mode)) return refusal("read", path, "it is no plain file");
  std::string text;
  char buffer[1 << 16];
  while (true) {
    const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return refusal("read", path, std::strerror(errno));
    if (got == 0) return std::optional<std::string>(std::move(text));
    if (text.size() + static_cast<std::size_t>(got) > most) return refusal("read", path, "it is too long");
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

Status replace_file(const std::string& path, std::string_view text) {
  const std::string name = path + ".new";
  Descriptor file(::open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666));
  if (file.get() < 0) return io_error(path);
  struct stat old {};
  const bool keep_mode = ::stat(path.c_str(), &old) == 0;
  const auto give_up = [&]() -> Status {
    const Error error = io_error(path);
    ::unlink(name.c_str());
    return error;
  };
  if (!write_all(file.get(), text) || (keep_mode && ::fchmod(file.get(), old.st_mode & 0777) != 0) ||
      ::fsync(file.get()) != 0 || !file.close() || ::rename(name.c_str(), path.c_str()) != 0)
    return give_up();
  // The new name itself must reach the disk; a file system that cannot say so has done what it can.
  std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (folder.empty()) folder = ".";
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0) ::fsync(directory.get());
  return Done{};
}

}  // namespace dropcheck
