#pragma once
// A backend that lives in a worker process: a crash, a hang or a stray print there costs its own call and
// nothing else.

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

/// Starts a worker and waits for its capabilities. `deadline` is what each call may take. A worker that died
/// or did not answer is started again for the next call, at most kMaxRestarts times.
Expected<std::unique_ptr<Backend>> open_worker(WorkerCommand command, std::chrono::milliseconds deadline);

}  // namespace dropcheck::worker
