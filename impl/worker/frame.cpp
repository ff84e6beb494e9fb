#include "impl/worker/frame.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

namespace dropcheck::worker {
namespace {

using Clock = std::chrono::steady_clock;

Error closed() { return {ErrorCode::crashed, "the worker closed the connection"}; }

Status wait_readable(int socket, std::optional<Clock::time_point> deadline) {
  while (true) {
    int timeout = -1;
    if (deadline) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(*deadline - Clock::now()).count();
      if (left <= 0) return Error{ErrorCode::timeout, "no answer before the deadline"};
      timeout = static_cast<int>(std::min<std::int64_t>(left, 1'000'000));
    }
    pollfd waiting{socket, POLLIN, 0};
    const int ready = poll(&waiting, 1, timeout);
    if (ready > 0) return Done{};
    if (ready < 0 && errno != EINTR)
      return Error{ErrorCode::io, fmt::format("poll failed: {}", std::strerror(errno))};
  }
}

/// Reads exactly `size` bytes; a descriptor that comes along is kept.
Status read_all(int socket, void* data, std::size_t size, const Wait& wait, Descriptor& descriptor) {
  auto* at = static_cast<char*>(data);
  while (size > 0) {
    Status ready = wait();
    if (!ready) return ready;
    iovec part{at, size};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) return closed();
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c), sizeof fd);
      descriptor = Descriptor(fd);
    }
    at += got;
    size -= static_cast<std::size_t>(got);
  }
  return Done{};
}

}  // namespace

Status send_frame(int socket, const nlohmann::json& body, int descriptor) {
  // Texts may come from a plugin: bytes that are no UTF-8 are replaced, never thrown on.
  const std::string text = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (text.size() > kMaxFrameBytes)
    return Error{ErrorCode::internal, "a message to or from the worker is too long"};
  std::string bytes(4, '\0');
  const auto length = static_cast<std::uint32_t>(text.size());
  std::memcpy(bytes.data(), &length, sizeof length);
  bytes += text;
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  while (left > 0) {
    iovec part{const_cast<char*>(at), left};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    if (descriptor >= 0) {
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      cmsghdr* c = CMSG_FIRSTHDR(&message);
      c->cmsg_level = SOL_SOCKET;
      c->cmsg_type = SCM_RIGHTS;
      c->cmsg_len = CMSG_LEN(sizeof(int));
      std::memcpy(CMSG_DATA(c), &descriptor, sizeof descriptor);
    }
    const ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return closed();
    descriptor = -1;
    at += sent;
    left -= static_cast<std::size_t>(sent);
  }
  return Done{};
}

Expected<Frame> receive_frame(int socket, std::optional<Clock::time_point> deadline) {
  return receive_frame(socket, [&] { return wait_readable(socket, deadline); });
}

Expected<Frame> receive_frame(int socket, const Wait& wait) {
  Frame frame;
  std::uint32_t length = 0;
  Status got = read_all(socket, &length, sizeof length, wait, frame.descriptor);
  if (!got) return got.error();
  if (length > kMaxFrameBytes)
    return Error{ErrorCode::protocol, fmt::format("a frame of {} bytes was announced; at most {} are allowed",
                                                  length, kMaxFrameBytes)};
  std::string text(length, '\0');
  got = read_all(socket, text.data(), text.size(), wait, frame.descriptor);
  if (!got) return got.error();
  frame.body = nlohmann::json::parse(text, nullptr, false);
  if (!frame.body.is_object()) return Error{ErrorCode::protocol, "a frame holds no JSON object"};
  return frame;
}

}  // namespace dropcheck::worker
