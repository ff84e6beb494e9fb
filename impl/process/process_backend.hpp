#pragma once
// A backend in a program of its own, in any language: what stands behind `exec:COMMAND`
// (harness/abi/adapter_protocol.md). Whatever the program does costs its own call and nothing else.

#include <memory>
#include <string>

#include "harness/core/backend.hpp"
#include "impl/process/child.hpp"

namespace dropcheck::process {

struct Options {
  milliseconds first{
      120'000};                // for the reply to `start`, and for the first `run` of a process: many compile
  milliseconds every{30'000};  // for every other reply
  milliseconds stop{1'000};    // for the end of the process after `stop`
  unsigned restarts = 10;      // after which a process that died stays dead
  std::uint32_t rank = 0, world_size = 1;  // of the program among those that draw together
  Limits limits{};
};

class ProcessBackend : public Backend {
 public:
  /// What all its processes printed to standard output between frames: the number of lines and the last of
  /// them; empty when there was nothing. It is also part of every error of a call that lost its process, and
  /// what was printed before the reply to `start` is one of the notes of the capabilities.
  virtual std::string stray() const = 0;
  /// The end of what the running or, when none runs, the last process wrote to standard error: at most
  /// kKeptErrorBytes, made printable.
  virtual std::string standard_error() const = 0;
};

/// Starts `/bin/sh -c command` and waits for its capabilities.
///
/// A call that loses its process (crashed, timeout, protocol) says why, with the last words on standard
/// error; the next call starts the program again. What the old process knew is gone: a gradient of its
/// forward calls and, where the seed semantics is `stateful`, a call that would continue its stream fail as
/// crashed until a call with a seed has succeeded. After too many restarts calls fail as resource_exhausted.
Expected<std::unique_ptr<ProcessBackend>> open_process(const std::string& command,
                                                       const Options& options = {});

}  // namespace dropcheck::process
