#pragma once
// A backend that lives in a worker process: a crash, a hang or a stray print there costs its own call and
// nothing else.

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "harness/core/backend.hpp"

namespace dropcheck::worker {

struct WorkerCommand {
  std::string program;                 // path of our own binary
  std::vector<std::string> arguments;  // argv, which makes it call serve() on descriptor 3
};

inline constexpr unsigned kMaxRestarts = 10;

struct WorkerOptions {
  std::chrono::milliseconds deadline{60'000};  // of one call; loading may take a minute in any case
  std::uint64_t memory = 0;                    // bytes that a worker and what it starts may take; 0: no limit
  const std::atomic<bool>* stop = nullptr;     // once true, calls are not waited for any more
};

/// Starts a worker and waits for its capabilities. A worker that died, did not answer or took too much memory
/// is started again for the next call, at most kMaxRestarts times.
Expected<std::unique_ptr<Backend>> open_worker(WorkerCommand command, const WorkerOptions& options = {});

}  // namespace dropcheck::worker
