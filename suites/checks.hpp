#pragma once
// Makers of the checks, one file a family; register_checks is the only list.

#include "harness/core/registry.hpp"

namespace dropcheck::suites {

void add_drop_rate(Registry& registry);        // drop_rate.cpp
void add_lanes(Registry& registry);            // lanes.cpp: lanes, worst_lane
void add_blocks(Registry& registry);           // blocks.cpp: block_histogram, block_rates
void add_position(Registry& registry);         // position.cpp
void add_weighted_sums(Registry& registry);    // weighted_sums.cpp: mean, variance
void add_kept_value(Registry& registry);       // kept_value.cpp
void add_whole_channels(Registry& registry);   // whole_channels.cpp
void add_pairs(Registry& registry);            // pairs.cpp: channels, axes
void add_gradient(Registry& registry);         // gradient.cpp: same_mask, value
void add_determinism(Registry& registry);      // determinism.cpp: five checks
void add_semantics(Registry& registry);        // semantics.cpp: seven checks and mask_rate.extremes
void add_random_problems(Registry& registry);  // random_problems.cpp: one a suite

}  // namespace dropcheck::suites
