#pragma once
// Frames over a child's standard streams: a line of JSON and as many raw bytes as its member `nbytes` says
// (harness/abi/adapter_protocol.md). Output that is no frame is kept as stray output.

#include <functional>
#include <nlohmann/json.hpp>
#include <vector>

#include "impl/process/child.hpp"

namespace dropcheck::process {

using Json = nlohmann::json;

inline constexpr std::size_t kMaxLineBytes = std::size_t{1} << 20;
inline constexpr std::size_t kKeptStrayBytes = std::size_t{1} << 12;
inline constexpr std::size_t kMaxDepth = 32;  // of brackets in a frame's line

/// Lines on standard output that were no frames.
struct Stray {
  std::uint64_t lines = 0;
  Tail text{kKeptStrayBytes};

  /// "3 lines: ..." with the end of their text; empty when there were none.
  std::string summary(std::size_t most_bytes) const;
};

struct Message {
  Json header;  // an object; `seq` and `nbytes` are added on the way
  std::vector<std::span<const std::byte>> parts;
};

struct Reply {
  Json header;
  std::span<const std::byte> payload;  // valid until the next exchange
};

/// Looks at a reply's header and returns how many bytes must follow, before memory is taken for them.
using Announced = std::function<Expected<std::uint64_t>(const Json& header)>;

class Wire {
 public:
  Wire(Child& child, Stray& stray) : child_(child), stray_(stray) {}

  /// Sends a message and waits for its reply. Errors, after each of which the child is of no further use:
  /// timeout and crashed (the message says how far it had come), protocol, resource_exhausted, io, and
  /// whatever `announced` says.
  Expected<Reply> exchange(Message message, const Announced& announced, Clock::time_point deadline);
  /// The `seq` of the next message; they count from 0 otherwise.
  void count_from(std::uint64_t seq) { next_seq_ = seq; }

 private:
  struct State;
  Status look_at_lines(State& state);
  Status begin_payload(State& state, Json header);
  Status advance(State& state, Clock::time_point deadline);
  Status look_at_rest() const;
  std::string progress_of(const State& state) const;
  std::string_view unread() const { return std::string_view(pending_).substr(begin_); }

  Child& child_;
  Stray& stray_;
  std::uint64_t next_seq_ = 0;
  std::string pending_;       // what came and is not yet understood: from begin_ on
  std::size_t begin_ = 0;     // of the line that is being read
  std::size_t searched_ = 0;  // no line feed before it
  std::vector<std::byte> payload_, spill_;
};

}  // namespace dropcheck::process
