#pragma once
// One process of an adapter, asked whatever one likes: also what dropcheck itself never asks.

#include <optional>
#include <string>
#include <vector>

#include "impl/process/process_backend.hpp"
#include "impl/process/wire.hpp"

namespace dropcheck::tools {

using process::Json;
using process::milliseconds;
using Bytes = std::vector<std::byte>;
using BytesView = std::span<const std::byte>;

/// A whole frame. What its line says is unchecked but for `seq` and `nbytes`.
struct RawReply {
  Json header;
  Bytes bytes;
  double seconds = 0;  // from the request to the end of the reply
};

/// How a process ended.
struct SessionEnd {
  bool by_itself = false;                // before it was made to
  double seconds = 0;                    // that it took
  std::string text;                      // "exited with status 0"
  std::vector<std::string> left_behind;  // names of processes that outlived it
};

class AdapterSession {
 public:
  /// Starts nothing yet. What the program prints between frames goes into `stray`.
  AdapterSession(std::string command, const process::Options& deadlines, process::Stray& stray)
      : command_(std::move(command)), deadlines_(deadlines), stray_(stray) {}
  AdapterSession(const AdapterSession&) = delete;
  AdapterSession& operator=(const AdapterSession&) = delete;
  ~AdapterSession();

  /// Starts a process, in place of one that runs, and asks it for its claims. `further` are members that the
  /// request has besides or instead of the usual ones. Errors as with ask().
  Expected<RawReply> start(const Json& further = Json::object());

  /// Asks the running process; `header` needs no `seq` and no `nbytes`. Errors, after each of which the
  /// process is gone: timeout, crashed, protocol, resource_exhausted, io. The message says what happened,
  /// with the last words on standard error.
  Expected<RawReply> ask(const Json& header, BytesView bytes = {});

  bool is_running() const { return child_ != nullptr; }
  /// What the running or the last process replied to `start`.
  const Json& start_reply() const { return start_reply_; }
  /// The `seq` of the next request.
  void count_from(std::uint64_t seq);
  /// Asks it to stop and waits until it ends, its input still open. Errors as with ask().
  Expected<SessionEnd> stop(milliseconds patience);
  /// Closes its input and waits until it ends.
  SessionEnd close_input(milliseconds patience);
  /// The last words of the process, or of the last one, on standard error: at most
  /// process::kKeptErrorBytes, as they came.
  std::string standard_error() const;
  /// Bytes that it ever wrote there.
  std::uint64_t standard_error_bytes() const;

 private:
  std::string end(milliseconds patience);
  Error lost(const Error& error, milliseconds limit);

  std::string command_;
  process::Options deadlines_;
  process::Stray& stray_;
  std::unique_ptr<process::Child> child_;
  std::optional<process::Wire> wire_;
  bool has_run_ = false;
  Json start_reply_ = Json::object();
  std::string last_words_;
  std::uint64_t error_bytes_ = 0;
  std::vector<std::string> left_behind_;
};

}  // namespace dropcheck::tools
