#pragma once
// A child process with pipes for its three standard streams. Nothing here blocks without a deadline, and
// standard error is drained whenever anything is waited for.

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "harness/core/expected.hpp"
#include "harness/core/file_descriptor.hpp"
#include "impl/process/text.hpp"

namespace dropcheck::process {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

inline constexpr std::size_t kKeptErrorBytes = std::size_t{1} << 16;

using Descriptor = FileDescriptor;

/// What one wait brought.
struct Progress {
  std::size_t written = 0;    // bytes that the child's standard input took
  std::size_t read = 0;       // bytes that came from its standard output
  bool input_closed = false;  // the child reads no more
  bool ended = false;         // nothing more will come: its output is closed, or it is dead
};

class Child {
 public:
  /// Runs `/bin/sh -c command` in a session of its own, so that Ctrl-C reaches only the run and everything
  /// that it starts can be ended with it. It inherits no other descriptors and default signal handling.
  static Expected<std::unique_ptr<Child>> start(const std::string& command);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();  // ends and reaps

  /// Waits until the child takes bytes of `out`, or bytes come (into `in`, and when that is full into
  /// `spill`), or it ends. Errors: timeout when the deadline passed without any of these, io. SIGPIPE is
  /// never raised.
  Expected<Progress> pump(std::span<const std::byte> out, std::span<std::byte> in, std::span<std::byte> spill,
                          Clock::time_point deadline);

  /// Closes its input, gives it `patience` to end by itself, then asks with SIGTERM and at last kills the
  /// whole group, in any case whatever it left behind there; reaps it. Says how it ended: "was ended by
  /// signal 11 (Segmentation fault)", "exited with status 3", "did not end by itself and was killed". A
  /// second call says the same again.
  std::string end(milliseconds patience);

  /// What it last wrote to standard error: at most kKeptErrorBytes, as they came.
  std::string_view standard_error() const { return error_tail_.last(); }
  pid_t pid() const { return pid_; }

 private:
  Child(pid_t pid, Descriptor input, Descriptor output, Descriptor error);
  bool has_exited() const;
  void drain_error();
  /// Throws away what it prints and keeps what it says on standard error, until it ended or `patience` is
  /// over.
  bool wait_for_end(milliseconds patience);

  pid_t pid_;
  Descriptor input_, output_, error_;
  Tail error_tail_{kKeptErrorBytes};
  std::string ending_;  // set once it is reaped
};

}  // namespace dropcheck::process
