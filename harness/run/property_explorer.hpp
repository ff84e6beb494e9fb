#pragma once
// Lets a property check try exact checks on problems of its own making, on the lane that it runs in.

#include <atomic>

#include "harness/core/registry.hpp"
#include "harness/run/block_executor.hpp"
#include "harness/run/cell_judge.hpp"

namespace dropcheck {

/// Runs a property check. Whatever escapes it becomes an error.
Exploration explore(const Registry& registry, const Plan& plan, const CellJudge& judge,
                    const Capabilities& capabilities, BlockExecutor& executor, const Check& check,
                    const std::atomic<bool>& stop);

}  // namespace dropcheck
