#pragma once
// The worker's side: serves one backend over a socket until the run hangs up.

#include <functional>

#include "harness/core/backend.hpp"

namespace dropcheck::worker {

/// Opens the backend, says what it can do, then answers calls. Returns the process's exit status. The socket
/// is `fd`.
int serve(int fd, const std::function<Expected<std::unique_ptr<Backend>>()>& open);

}  // namespace dropcheck::worker
