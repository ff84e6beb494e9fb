#pragma once
// Mutants: offsets, counters and streams.

#include <array>

#include "impl/mutants/mutants.hpp"

namespace dropcheck::mutants {

inline constexpr std::array kOffsets = {
    MutantInfo{.id = "same_mask_every_call",
               .mechanism = "never advances its stream: every call after a seed has the same mask",
               .source = "flash-attention#314: the state of the generator never advanced",
               .killed_by = "seed_determinism.next_call",
               .fault = Fault::same_mask_every_call},
    MutantInfo{.id = "lanes_of_last_call",
               .mechanism = "reads the last two words of every four again, as the first two of the next call",
               .source = "pytorch#50110: half of a vector is read again by the next call",
               .killed_by = "seed_determinism.reindexed",
               .fault = Fault::lanes_of_last_call},
    MutantInfo{.id = "offset_truncated",
               .mechanism = "uses the lower 32 bits of an offset",
               .source = "TransformerEngine#497, FlagGems#27: 32 bits of an offset",
               .killed_by = "seed_determinism.offset_bits",
               .fault = Fault::offset_truncated,
               .base = "entries"},
    MutantInfo{.id = "ranks_equal",
               .mechanism = "promises other masks on every rank and draws the same",
               .source = "transformers#31412, Megatron-LM#1256, keras#20612: every rank draws the same",
               .killed_by = "seed_determinism.independent_ranks",
               .fault = Fault::ranks_equal,
               .base = "entries"},
    MutantInfo{.id = "replay_frozen",
               .mechanism = "has the same mask in every replay of a call",
               .source = "pytorch#84614, tinygrad#1957: a captured call has its mask for ever",
               .killed_by = "seed_determinism.replay",
               .fault = Fault::replay_frozen,
               .base = "entries"},
    MutantInfo{.id = "split_differs",
               .mechanism = "begins every call at a multiple of four words of its stream",
               .source = "PyTorch's CUDA kernels begin every call at a multiple of four words; jax#40232",
               .killed_by = "seed_determinism.batch_split",
               .fault = Fault::split_differs,
               .base = "entries"},
    MutantInfo{.id = "birthday_few_seeds",
               .mechanism = "has 4096 different seeds: 17 + seed % 4096",
               .source = "MXNet and Caffe: 17 + rand() % 4096",
               .killed_by = "seed_determinism.distinct_masks",
               .fault = Fault::birthday_few_seeds},
    MutantInfo{.id = "state_by_value",
               .mechanism = "sets the state of its generator in a copy",
               .source = "Caffe 9068c5c1: the state is set in a copy of the generator",
               .killed_by = "gradient_consistency.recompute",
               .fault = Fault::state_by_value},
    MutantInfo{.id = "thread_dependent",
               .mechanism = "gives every thread a stream of its own, so the mask depends on their number",
               .source = "ngraph#3006: a generator for each thread",
               .killed_by = "seed_determinism.threads",
               .fault = Fault::thread_dependent},
};

}  // namespace dropcheck::mutants
