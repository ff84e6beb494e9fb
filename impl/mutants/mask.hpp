#pragma once
// Masks of the plain backend, with the faults that sit there.

#include <cstdint>
#include <vector>

#include "impl/mutants/call_state.hpp"
#include "impl/mutants/fault.hpp"

namespace dropcheck::mutants {

struct Mask {
  std::vector<std::uint8_t> kept;   // one byte a mask entry, 1 = kept
  std::int64_t elements_per_entry;  // 1, or the size of a channel
};

/// Distinct uses of randomness within one call.
inline constexpr std::uint64_t kForwardUse = 0, kSecondUse = 1, kBackwardUse = 2;

/// The call's action must be `drop`.
Mask draw_mask(const CallState& call, Fault fault, std::uint64_t use);

}  // namespace dropcheck::mutants
