#pragma once
// Frames between the run and a worker over a socket pair: a length and a JSON text, with at most one file
// descriptor beside it.

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "harness/core/expected.hpp"

namespace dropcheck::worker {

inline constexpr std::size_t kMaxFrameBytes = std::size_t{1} << 20;

/// A descriptor that closes itself.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

struct Frame {
  nlohmann::json body;
  Descriptor descriptor;  // that came with it, if any
};

/// Writes all of it or fails. `descriptor` < 0 sends none.
Status send_frame(int socket, const nlohmann::json& body, int descriptor = -1);

/// Waits until the deadline; errors are timeout, crashed (the other side closed) or protocol (length or text
/// malformed).
Expected<Frame> receive_frame(int socket, std::optional<std::chrono::steady_clock::time_point> deadline);

}  // namespace dropcheck::worker
