#pragma once
// A child process and everything that it started, as /proc shows them: what still runs, how much memory they
// take together, and their end. A family is the session that the child leads and whatever carries its mark.

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/core/expected.hpp"

namespace dropcheck {

/// A variable in the environment of a child, which everything that it starts inherits, so that also processes
/// that have left its session are found again.
class FamilyMark {
 public:
  FamilyMark();  // unlike every other mark
  /// Our own environment with the mark, as posix_spawn takes it; valid as long as the mark is not moved and
  /// our environment does not change.
  char* const* environment();
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  std::vector<char*> environment_;
};

/// Names of the processes of a family that still run, without the leader, sorted. The leader must not have
/// been reaped: its number could name somebody else's session.
std::vector<std::string> family_of(pid_t leader, const FamilyMark& mark);

/// Sends SIGKILL to the leader and its family until none of them is found running, for a second at most.
void end_family(pid_t leader, const FamilyMark& mark);

/// Names of those that outlive a leader which has ended by itself. What ends by itself `moment` later has not
/// been left behind.
std::vector<std::string> left_behind(pid_t leader, const FamilyMark& mark, std::chrono::milliseconds moment);

/// Watches the memory that the processes of one session have taken: private and shared pages that hold data,
/// in memory or swapped out, pages of several processes counted once. Files that are merely mapped do not
/// count, nor does address space that was reserved and never used, which is why this is no RLIMIT_AS or
/// RLIMIT_DATA: sanitizers, JAX or Node reserve more than any machine has. The price is that a limit may be
/// overstepped between two looks.
class MemoryWatch {
 public:
  using Clock = std::chrono::steady_clock;

  /// A limit of 0 bytes is none.
  MemoryWatch(pid_t leader, std::uint64_t limit) : leader_(leader), limit_(limit) {}
  /// Looks if that is due: every 50 ms, and less often where looking is slow. Returns an error of code
  /// resource_exhausted that says how much was taken, without a subject, once that is above the limit.
  Status look(Clock::time_point now);
  bool is_due(Clock::time_point now) const { return limit_ > 0 && now >= due_; }

 private:
  pid_t leader_;
  std::uint64_t limit_;
  Clock::time_point due_{};
};

/// Bytes that the processes of the session take, in the sense of MemoryWatch.
std::uint64_t session_memory(pid_t leader);

}  // namespace dropcheck
