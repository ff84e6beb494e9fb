#pragma once
// Every seed of a run derives from one master seed by a keyed hash of what it is for. Neither check nor
// backend enters: adding a check changes no data, and two backends see the same questions.

#include <cstdint>
#include <vector>

#include "harness/core/sample.hpp"

namespace dropcheck {

/// Seeds of one sample: `slots` for each block, all cut to seed_bits and distinct there (as far as
/// 2^seed_bits allows). A seed that the problem fixes is the first slot of block 0 in stage 1; later stages
/// need fresh data. Result[block][slot].
std::vector<std::vector<std::uint64_t>> sample_seeds(std::uint64_t master_seed, const SampleInfo& sample,
                                                     unsigned stage, unsigned slots, unsigned seed_bits);

/// Key of the randomised p-values of a check on a sample.
std::uint64_t pit_key(std::uint64_t master_seed, const SampleInfo& sample, const std::string& check_id,
                      unsigned stage);

/// A number for anything else that is drawn, by name.
std::uint64_t derived_seed(std::uint64_t master_seed, const std::string& purpose);

}  // namespace dropcheck
