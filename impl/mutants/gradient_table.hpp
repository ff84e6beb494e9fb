#pragma once
// Mutants of gradients and of recomputation, each beside a defect of that kind that was met with.

#include <array>

#include "impl/mutants/mutants.hpp"

namespace dropcheck::mutants {

inline constexpr std::array kGradientTable = {
    // xformers#755, pytorch#102038: a row stride of min(keys, causal limit) forward, of all keys backward.
    MutantInfo{"backward_block_stride",
               "numbers the rows past the first block of 64 with another stride in the backward pass",
               "gradient_consistency.every_element", Fault::backward_block_stride},
    // xformers 70161e55: the tile was scaled and not masked.
    MutantInfo{"backward_unmasked_tile", "leaves one tile of 32 entries unmasked in the backward pass",
               "gradient_consistency.every_element", Fault::backward_unmasked_tile},
    // OLMo-core#828, guided-diffusion#167, torchtitan#1323: the state was not restored before recomputing.
    MutantInfo{"recompute_fresh",
               "works the forward pass out again in the backward pass, from where its stream stands then",
               "gradient_consistency.every_element", Fault::recompute_fresh},
    // pytorch#190717, #190758, #190759: a partitioner with a memory budget recomputed random operators.
    MutantInfo{"recompute_under_pressure",
               "drops the oldest of more than two saved masks, and draws it anew for the gradient",
               "gradient_consistency.steps", Fault::recompute_under_pressure},
    // DeepSpeed#6811: the recomputation read the seed after it had been advanced.
    MutantInfo{"recompute_seed_advanced",
               "takes the seed of a backward pass from the latest call instead of its own",
               "gradient_consistency.steps", Fault::recompute_seed_advanced},
    // pytorch/xla#4690: the flag was accepted and had no effect.
    MutantInfo{"preserve_flag_ignored", "accepts a state of the generator and does not set it",
               "gradient_consistency.recompute", Fault::preserve_flag_ignored},
    // jax#21046: bits made again under another partition of the array.
    MutantInfo{"recompute_other_shards", "draws a mask as one array forward, and as two shards backward",
               "gradient_consistency.numerical", Fault::recompute_other_shards},
    // onnxruntime#19715, #4526: the copy of the node for the backward pass had no seed attribute.
    MutantInfo{"recompute_default_seed", "works the mask of a backward pass out from the seed 0",
               "gradient_consistency.numerical", Fault::recompute_default_seed},
    // Paddle#21298: the seed was drawn inside, so the mask could not be had a second time.
    MutantInfo{"mask_not_shared", "mixes a number of its own into each seed that it is given",
               "gradient_consistency.recompute", Fault::mask_not_shared},
    // flash-attention#2439: (key, query) for (query, key) in the backward kernel.
    MutantInfo{"backward_transposed", "takes the mask of a backward pass at transposed coordinates",
               "gradient_consistency.every_element", Fault::backward_transposed},
    // A shim of a mask regeneration hook that took seed and offset and used neither.
    MutantInfo{"regenerates_fresh", "regenerates the mask for the gradient from a seed of its own",
               "gradient_consistency.steps", Fault::regenerates_fresh},
    // candle: the backward pass of dropout asked where the output was not 0.
    MutantInfo{"mask_from_output", "reads the mask of a backward pass off the zeros of the output",
               "gradient_consistency.every_element", Fault::mask_from_output},
    // A backward of the backward that draws, as recomputing kernels that were never differentiated twice may.
    MutantInfo{"graph_mask_redrawn", "draws a new mask when a gradient is differentiated again",
               "gradient_consistency.double_backward", Fault::graph_mask_redrawn},
};

}  // namespace dropcheck::mutants
