#pragma once
// Calls that bring a packed mask in place of an output: which steps may be asked so, in which calls the
// output is asked for all the same, and what can be wrong with a mask that came.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "harness/core/guarded_tensor.hpp"
#include "harness/core/mask_bits.hpp"
#include "harness/core/sample.hpp"

namespace dropcheck {

/// Whether calls of the step may ask the backend for the packed mask alone.
bool may_send_mask_alone(const Capabilities& capabilities, const Protocol& protocol, const Step& step);

/// Whether such a call asks for the output as well: the first of every sample, and about one in eight of the
/// others. `seed` is the call's, or the block's first where calls have none. Nothing else enters, so that
/// neither lanes nor earlier calls change what is asked.
bool shows_output(std::string_view protocol, std::uint64_t seed, std::uint64_t block, std::size_t step);

/// Whether x may be given as a number instead of elements: the backend takes that, and nothing about the call
/// needs elements in memory.
bool may_send_constant(const Capabilities& capabilities, const Step& step);

/// Why a step with mask_only cannot be asked, as one sentence that names what the backend does not claim;
/// absent where it can.
std::optional<std::string> missing_for_mask_only(const Capabilities& capabilities, const Protocol& protocol,
                                                 const Step& step);

/// The tensor for the packed mask of a problem.
Problem packed_problem(const Problem& problem);

/// Overwrites all of a packed mask with a pattern. The usual poison, all bits set, is a mask that keeps
/// everything.
void poison_packed(GuardedTensor& packed);
/// What a backend did wrong to a packed mask of so many elements since poison_packed(), as one sentence;
/// absent when nothing.
std::optional<std::string> packed_fault(const GuardedTensor& packed, std::uint64_t elements);

/// "3 of 100 elements differ: the first is element 7, which the first mask drops and the second keeps". The
/// masks are of one size and differ.
std::string difference_text(const MaskBits& first, std::string_view first_name, const MaskBits& second,
                            std::string_view second_name);

}  // namespace dropcheck
