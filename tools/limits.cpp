// How backends are opened: in which process, and what a call may take.

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "tools/commands.hpp"

namespace dropcheck::tools {
namespace {

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

/// Bytes of memory that this machine, or the container that we run in, has.
std::uint64_t machine_memory() {
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGE_SIZE);
  std::uint64_t bytes =
      pages > 0 && page > 0 ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page) : 4 * kGiB;
  // Of control groups, version 2 and 1; "max" and absurdly large numbers mean none.
  for (const char* file : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::uint64_t limit = 0;
    if (std::ifstream(file) >> limit && limit > 0) bytes = std::min(bytes, limit);
  }
  return bytes;
}

/// All lanes together stay below three quarters of the memory, so that a leak ends its worker and not the
/// machine. But each may take 2 GiB, which frameworks need where there are many cores.
std::uint64_t default_limit(unsigned lanes) {
  const std::uint64_t most = machine_memory() / 4 * 3;
  return std::max(most / std::max(lanes, 1u), std::min(most, 2 * kGiB));
}

}  // namespace

BackendOptions backend_options(const Selection& selection) {
  BackendOptions options;
  options.in_process = selection.in_process;
  options.deadline = std::chrono::milliseconds(static_cast<std::int64_t>(selection.call_timeout * 1000));
  options.memory_limit = selection.memory_limit
                             ? static_cast<std::uint64_t>(*selection.memory_limit * static_cast<double>(kGiB))
                             : default_limit(lanes_of(selection));
  return options;
}

}  // namespace dropcheck::tools
