#pragma once
// A child process with pipes for its three standard streams. Nothing here blocks without a deadline, and
// standard error is drained whenever anything is waited for.

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "harness/core/expected.hpp"
#include "harness/core/file_descriptor.hpp"
#include "harness/core/process_family.hpp"
#include "impl/process/text.hpp"

namespace dropcheck::process {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

inline constexpr std::size_t kKeptErrorBytes = std::size_t{1} << 16;

using Descriptor = FileDescriptor;

/// How one ended that had to be stopped.
inline constexpr const char* kStopped = "did not end by itself and was stopped";

/// What one wait brought.
struct Progress {
  std::size_t written = 0;    // bytes that the child's standard input took
  std::size_t read = 0;       // bytes that came from its standard output
  bool input_closed = false;  // the child reads no more
  bool ended = false;         // nothing more will come: its output is closed, or it is dead
};

struct Limits {
  std::uint64_t memory = 0;                 // bytes that it and what it starts may take; 0: no limit
  const std::atomic<bool>* stop = nullptr;  // once true, nothing is waited for much longer
};

class Child {
 public:
  /// Runs `/bin/sh -c command` in a session of its own, so that Ctrl-C reaches only the run and everything
  /// that it starts can be ended with it. It inherits no other descriptors and default signal handling, and
  /// leaves no core file.
  static Expected<std::unique_ptr<Child>> start(const std::string& command, const Limits& limits = {});
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();  // ends and reaps

  /// Waits until the child takes bytes of `out`, or bytes come (into `in`, and when that is full into
  /// `spill`), or it ends. Errors: timeout when the deadline passed without any of these, resource_exhausted
  /// above the memory limit, io, also where the run was stopped. SIGPIPE is never raised.
  Expected<Progress> pump(std::span<const std::byte> out, std::span<std::byte> in, std::span<std::byte> spill,
                          Clock::time_point deadline);

  /// Waits as if the run had not been stopped.
  void ignore_stop() { stop_ = nullptr; }

  /// Closes its input, gives it `patience` to end by itself, then asks with SIGTERM and at last kills it, in
  /// any case with whatever it started; reaps it. Says how it ended: "was ended by signal 11 (Segmentation
  /// fault)", "exited with status 3", "did not end by itself and was stopped". A second call says the same
  /// again.
  std::string end(milliseconds patience);
  /// Names of processes that outlived it and were ended; known once it has ended by itself.
  const std::vector<std::string>& left_behind() const { return left_; }

  /// What it last wrote to standard error: at most kKeptErrorBytes, as they came.
  std::string_view standard_error() const { return error_tail_.last(); }
  /// Bytes that it ever wrote there.
  std::uint64_t standard_error_bytes() const { return error_tail_.total(); }
  pid_t pid() const { return pid_; }

 private:
  Child(pid_t pid, Descriptor input, Descriptor output, Descriptor error, const Limits& limits,
        std::unique_ptr<FamilyMark> mark);
  /// Whether it takes too much memory, or the run was stopped a moment ago.
  Status look(Clock::time_point now);
  bool has_exited() const;
  void drain_error();
  /// Throws away what it prints and keeps what it says on standard error, until it ended or `patience` is
  /// over.
  bool wait_for_end(milliseconds patience);

  pid_t pid_;
  Descriptor input_, output_, error_;
  Tail error_tail_{kKeptErrorBytes};
  std::unique_ptr<FamilyMark> mark_;
  MemoryWatch memory_;
  const std::atomic<bool>* stop_;
  std::optional<Clock::time_point> stopped_;  // when the stop was seen
  std::vector<std::string> left_;
  std::string ending_;  // set once it is reaped
};

/// Kills every child with its group and waits for none: for a signal handler of a run that ends at once, with
/// at most 1024 children. Safe there.
void kill_all_children();

}  // namespace dropcheck::process
