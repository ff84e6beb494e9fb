#pragma once
// A stream lock as a check: every locked call is asked again, and its mask must have the digest it had.

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/registry.hpp"
#include "harness/run/stream_lock.hpp"

namespace dropcheck {

inline constexpr std::string_view kStreamLockCheck = "seed_determinism.stream_lock";
inline constexpr std::string_view kStreamLockProtocol = "stream_lock";

/// Registers the check and its protocol, which every plan then has whatever its profile. `path` of the file
/// is for messages. A lock without calls makes a check that can only be explained.
void add_stream_lock(Registry& registry, const StreamLock& lock, const std::string& path);

struct DrawnStreams {
  std::vector<LockedCall> calls;      // with their digests
  std::vector<std::string> left_out;  // cases that the backend refused as unsupported, each with its words
};

/// Draws the masks of calls that stand in the order of a lock. The error (backend_failed) names the call at
/// which the backend failed, misused memory or showed no mask, or at which `stop` became true.
Expected<DrawnStreams> draw_streams(Backend& backend, const std::vector<LockedCall>& calls,
                                    const std::atomic<bool>& stop);

}  // namespace dropcheck
