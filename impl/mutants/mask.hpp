#pragma once
// Masks of the plain backend, with the faults that sit there.

#include <cstdint>
#include <span>
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

/// Entries of the mask of a whole tensor: elements, or channels for operators that drop those, which are none
/// where there are fewer than two dimensions.
std::int64_t entries_of(Op op, std::span<const std::int64_t> shape);

/// The call's number of entries, none of them decided.
Mask blank_mask(const CallState& call);

/// The call's action must be `drop`.
Mask draw_mask(const CallState& call, Fault fault, std::uint64_t use);

}  // namespace dropcheck::mutants
