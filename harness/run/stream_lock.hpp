#pragma once
// A golden stream lock: digests of the masks that one version of a backend drew for a fixed set of calls, to
// see later that another version draws the same. A digest is of the mask and not of the output, so that a
// lock holds on every platform where the stream does.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "harness/core/backend.hpp"
#include "harness/core/mask_bits.hpp"
#include "harness/core/problem.hpp"

namespace dropcheck {

/// A call and what it drew.
struct LockedCall {
  Problem problem;         // with its seed, which is given to the first call
  std::uint32_t call = 1;  // number after the seed, from 1
  std::string digest;      // mask_digest; empty: not drawn yet

  friend bool operator==(const LockedCall&, const LockedCall&) = default;
};

/// What the file holds.
struct StreamLock {
  std::string backend;        // as it was named when it was locked
  std::string name, version;  // what it says of itself
  SeedSemantics seeds = SeedSemantics::stateful;
  std::string tool_version, date;  // of the locking; UTC, YYYY-MM-DD
  std::vector<LockedCall> calls;   // those of a case one after the other, from call 1 on

  friend bool operator==(const StreamLock&, const StreamLock&) = default;
};

/// "op=dropout,p=0.1,shape=33,seed=0x5eed, call 2".
std::string call_text(const LockedCall& call);

/// The fixed set of calls, as far as the backend claims them, without digests. Empty where masks cannot be
/// seeded: there is nothing that could be drawn twice.
std::vector<LockedCall> calls_to_lock(const Capabilities& capabilities);

/// 128-bit XXH3 of the number of entries and the drop bits in logical order, both least significant byte
/// first; 32 hexadecimal digits.
std::string mask_digest(const MaskBits& bits);

/// The name by which a lock knows a backend again: its own, as a file keeps it, or where it has none the one
/// on the command line.
std::string name_in_lock(const std::string& spec, const Capabilities& capabilities);

/// A lock without calls of that backend as it is now.
StreamLock empty_lock(const std::string& spec, const Capabilities& capabilities, std::string date);

/// How two locks of one backend differ.
struct StreamDifference {
  std::vector<std::pair<LockedCall, LockedCall>> changed;  // old, new
  std::vector<LockedCall> added, removed;
  bool none() const { return changed.empty() && added.empty() && removed.empty(); }
};
StreamDifference difference_of(const StreamLock& old_lock, const StreamLock& new_lock);

}  // namespace dropcheck
