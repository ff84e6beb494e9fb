#pragma once
// The ways in which samples talk to a backend: what one block asks, step by step.

#include "harness/core/registry.hpp"

namespace dropcheck::suites {

/// The kinds of input that blocks of a mask sample take in turn; the alpha operators see their absolute
/// values.
Input mask_input(std::uint64_t block);

void register_protocols(Registry& registry);

}  // namespace dropcheck::suites
