#pragma once
// The ways in which samples talk to a backend: what one block asks, step by step.

#include "harness/core/registry.hpp"
#include "suites/dialect.hpp"

namespace dropcheck::suites {

/// The kinds of input that blocks of a mask sample take in turn; the alpha operators see their absolute
/// values.
Input mask_input(std::uint64_t block);

/// Calls that a dialect has no room for, such as p = 1 or eval mode, are left out.
void register_protocols(Registry& registry, const Dialect& dialect = pytorch_dialect());

}  // namespace dropcheck::suites
