#pragma once
// Makers of the checks, one file a family; register_checks is the only list.

#include "harness/core/registry.hpp"
#include "suites/dialect.hpp"

namespace dropcheck::suites {

void add_drop_rate(Registry& registry);                               // drop_rate.cpp
void add_effective_rate(Registry& registry, const Dialect& dialect);  // effective_rate.cpp
void add_lanes(Registry& registry);                                   // lanes.cpp: lanes, worst_lane
void add_blocks(Registry& registry);       // blocks.cpp: block_histogram, block_rates
void add_dispersion(Registry& registry);   // dispersion.cpp
void add_gaps(Registry& registry);         // gaps.cpp
void add_longest_run(Registry& registry);  // longest_run.cpp
void add_drift(Registry& registry);        // drift.cpp
void add_position(Registry& registry);     // position.cpp
void add_weighted_sums(Registry& registry, const Dialect& dialect);   // weighted_sums.cpp: mean, variance
void add_kept_value(Registry& registry, const Dialect& dialect);      // kept_value.cpp
void add_dropped_values(Registry& registry, const Dialect& dialect);  // dropped_values.cpp
void add_whole_channels(Registry& registry);                          // whole_channels.cpp
void add_pairs(Registry& registry);                                   // pairs.cpp: channels, axes
void add_lags(Registry& registry);                                    // lags.cpp: lags, structural_lags
void add_serial(Registry& registry);                                  // serial.cpp
void add_triples(Registry& registry);                                 // triples.cpp
void add_word_weights(Registry& registry);                            // word_weights.cpp
void add_spectrum(Registry& registry);                                // spectrum.cpp
void add_fair_bits(Registry& registry);          // fair_bits.cpp: rank, collisions, birthday
void add_linear_complexity(Registry& registry);  // linear_complexity.cpp
void add_boundaries(Registry& registry);         // boundaries.cpp
void add_channel_pairs(Registry& registry);      // channel_pairs.cpp
void add_chunk_overlaps(Registry& registry);     // chunk_overlaps.cpp
void add_seed_streams(Registry& registry);       // seed_streams.cpp: streams, seed_flips
void add_other_shape(Registry& registry);        // other_shape.cpp
void add_seed_bits(Registry& registry);          // seed_bits.cpp
void add_large_call(Registry& registry);         // large_call.cpp: rates and pairs of its parts
void add_repeats(Registry& registry);            // repeats.cpp
void add_seed_instances(Registry& registry, const Dialect& dialect);  // seed_instances.cpp: processes, ranks
void add_other_memory(Registry& registry, const Dialect& dialect);    // other_memory.cpp
void add_reseed_after_calls(Registry& registry, const Dialect& dialect);  // reseed_after_calls.cpp
void add_form_seeds(Registry& registry, const Dialect& dialect);          // form_seeds.cpp
void add_distinct_masks(Registry& registry);                              // distinct_masks.cpp
void add_offset_bits(Registry& registry);                                 // offset_bits.cpp
void add_reindexed(Registry& registry);                                   // reindexed.cpp
void add_batch_split(Registry& registry);                                 // batch_split.cpp
void add_replay(Registry& registry);                                      // replay.cpp
void add_coupled_thresholds(Registry& registry);                          // coupled_thresholds.cpp
void add_gradient(Registry& registry, const Dialect& dialect);            // gradient.cpp: same_mask, value
void add_gradient_elements(Registry& registry, const Dialect& dialect);   // gradient_elements.cpp
void add_gradient_steps(Registry& registry, const Dialect& dialect);      // gradient_steps.cpp
void add_gradient_recompute(Registry& registry, const Dialect& dialect);  // gradient_recompute.cpp
void add_gradient_numerical(Registry& registry, const Dialect& dialect);  // gradient_numerical.cpp
void add_gradient_sums(Registry& registry, const Dialect& dialect);       // gradient_sums.cpp: expectation
void add_double_backward(Registry& registry, const Dialect& dialect);     // gradient_second.cpp
void add_determinism(Registry& registry, const Dialect& dialect);         // determinism.cpp: six checks
void add_semantics(Registry& registry,
                   const Dialect& dialect);  // semantics.cpp: six checks, mask_rate.extremes
void add_in_place(Registry& registry, const Dialect& dialect);  // in_place.cpp
void add_exact_stream(Registry& registry,
                      const Dialect& dialect);                    // exact_stream.cpp: five checks, protocols
void add_scale_form(Registry& registry, const Dialect& dialect);  // scale_form.cpp
void add_embedding(Registry& registry, const Dialect& dialect);   // embedding/embedding_check.cpp
void add_pytorch_tests(Registry& registry, const Dialect& dialect);  // pytorch_tests.cpp: theirs, restated
void add_random_problems(Registry& registry);                        // random_problems.cpp: one a suite

}  // namespace dropcheck::suites
