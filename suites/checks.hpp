#pragma once
// Makers of the checks, one file a family; register_checks is the only list.

#include "harness/core/registry.hpp"

namespace dropcheck::suites {

void add_drop_rate(Registry& registry);          // drop_rate.cpp
void add_effective_rate(Registry& registry);     // effective_rate.cpp
void add_lanes(Registry& registry);              // lanes.cpp: lanes, worst_lane
void add_blocks(Registry& registry);             // blocks.cpp: block_histogram, block_rates
void add_dispersion(Registry& registry);         // dispersion.cpp
void add_gaps(Registry& registry);               // gaps.cpp
void add_longest_run(Registry& registry);        // longest_run.cpp
void add_drift(Registry& registry);              // drift.cpp
void add_position(Registry& registry);           // position.cpp
void add_weighted_sums(Registry& registry);      // weighted_sums.cpp: mean, variance
void add_kept_value(Registry& registry);         // kept_value.cpp
void add_whole_channels(Registry& registry);     // whole_channels.cpp
void add_pairs(Registry& registry);              // pairs.cpp: channels, axes
void add_lags(Registry& registry);               // lags.cpp: lags, structural_lags
void add_serial(Registry& registry);             // serial.cpp
void add_triples(Registry& registry);            // triples.cpp
void add_word_weights(Registry& registry);       // word_weights.cpp
void add_spectrum(Registry& registry);           // spectrum.cpp
void add_fair_bits(Registry& registry);          // fair_bits.cpp: rank, collisions, birthday
void add_linear_complexity(Registry& registry);  // linear_complexity.cpp
void add_boundaries(Registry& registry);         // boundaries.cpp
void add_channel_pairs(Registry& registry);      // channel_pairs.cpp
void add_chunk_overlaps(Registry& registry);     // chunk_overlaps.cpp
void add_seed_streams(Registry& registry);       // seed_streams.cpp: streams, seed_flips
void add_repeats(Registry& registry);            // repeats.cpp
void add_gradient(Registry& registry);           // gradient.cpp: same_mask, value
void add_determinism(Registry& registry);        // determinism.cpp: five checks
void add_semantics(Registry& registry);          // semantics.cpp: six checks and mask_rate.extremes
void add_in_place(Registry& registry);           // in_place.cpp
void add_exact_stream(Registry& registry);       // exact_stream.cpp: five checks and their protocols
void add_scale_form(Registry& registry);         // scale_form.cpp
void add_pytorch_tests(Registry& registry);      // pytorch_tests.cpp: PyTorch's own tests, restated
void add_random_problems(Registry& registry);    // random_problems.cpp: one a suite

}  // namespace dropcheck::suites
