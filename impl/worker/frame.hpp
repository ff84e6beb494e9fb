#pragma once
// Frames between the run and a worker over a socket pair: a length and a JSON text, with at most one file
// descriptor beside it.

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "harness/core/expected.hpp"
#include "harness/core/file_descriptor.hpp"

namespace dropcheck::worker {

inline constexpr std::size_t kMaxFrameBytes = std::size_t{1} << 20;

using Descriptor = FileDescriptor;

struct Frame {
  nlohmann::json body;
  Descriptor descriptor;  // that came with it, if any
};

/// Writes all of it or fails. `descriptor` < 0 sends none.
Status send_frame(int socket, const nlohmann::json& body, int descriptor = -1);

/// Waits until the deadline; errors are timeout, crashed (the other side closed) or protocol (length or text
/// malformed).
Expected<Frame> receive_frame(int socket, std::optional<std::chrono::steady_clock::time_point> deadline);

/// Waits until the socket has something to read, or says why no more is waited for.
using Wait = std::function<Status()>;
/// The same with a wait of the caller's; its errors pass through.
Expected<Frame> receive_frame(int socket, const Wait& wait);

}  // namespace dropcheck::worker
