#pragma once
// Mutants: gradients and recomputation.

#include <array>

#include "impl/mutants/mutants.hpp"

namespace dropcheck::mutants {

inline constexpr std::array kGradients = {
    MutantInfo{.id = "backward_own_mask",
               .mechanism = "draws a new mask in the backward pass",
               .source = "pytorch#198333: forward and backward kernels took different generators",
               .killed_by = "gradient_consistency.same_mask",
               .fault = Fault::backward_own_mask},
    MutantInfo{.id = "backward_scaled_by_p",
               .mechanism = "multiplies kept gradients by p instead of 1/(1 - p)",
               .source = "apex#816",
               .killed_by = "gradient_consistency.value",
               .fault = Fault::backward_scaled_by_p},
    MutantInfo{.id = "dx_unwritten",
               .mechanism = "leaves the gradient of dropped elements unwritten",
               .source = "Caffe c840119b: the gradient of dropped units was never written",
               .killed_by = "gradient_consistency.value",
               .fault = Fault::dx_unwritten},
    MutantInfo{
        .id = "backward_block_stride",
        .mechanism = "numbers the rows past the first block of 64 with another stride in the backward pass",
        .source = "xformers#755, pytorch#102038: a row stride of min(keys, causal limit) forward, of all "
                  "keys backward",
        .killed_by = "gradient_consistency.every_element",
        .fault = Fault::backward_block_stride},
    MutantInfo{.id = "backward_unmasked_tile",
               .mechanism = "leaves one tile of 32 entries unmasked in the backward pass",
               .source = "xformers 70161e55: the tile was scaled and not masked",
               .killed_by = "gradient_consistency.every_element",
               .fault = Fault::backward_unmasked_tile},
    MutantInfo{.id = "recompute_fresh",
               .mechanism =
                   "works the forward pass out again in the backward pass, from where its stream stands then",
               .source = "OLMo-core#828, guided-diffusion#167, torchtitan#1323: the state was not restored "
                         "before recomputing",
               .killed_by = "gradient_consistency.every_element",
               .fault = Fault::recompute_fresh},
    MutantInfo{
        .id = "recompute_under_pressure",
        .mechanism = "drops the oldest of more than two saved masks, and draws it anew for the gradient",
        .source = "pytorch#190717, #190758, #190759: a partitioner with a memory budget recomputed random "
                  "operators",
        .killed_by = "gradient_consistency.steps",
        .fault = Fault::recompute_under_pressure},
    MutantInfo{.id = "recompute_seed_advanced",
               .mechanism = "takes the seed of a backward pass from the latest call instead of its own",
               .source = "DeepSpeed#6811: the recomputation read the seed after it had been advanced",
               .killed_by = "gradient_consistency.steps",
               .fault = Fault::recompute_seed_advanced},
    MutantInfo{.id = "preserve_flag_ignored",
               .mechanism = "accepts a state of the generator and does not set it",
               .source = "pytorch/xla#4690: the flag was accepted and had no effect",
               .killed_by = "gradient_consistency.recompute",
               .fault = Fault::preserve_flag_ignored},
    MutantInfo{.id = "recompute_other_shards",
               .mechanism = "draws a mask as one array forward, and as two shards backward",
               .source = "jax#21046: bits made again under another partition of the array",
               .killed_by = "gradient_consistency.numerical",
               .fault = Fault::recompute_other_shards},
    MutantInfo{
        .id = "recompute_default_seed",
        .mechanism = "works the mask of a backward pass out from the seed 0",
        .source =
            "onnxruntime#19715, #4526: the copy of the node for the backward pass had no seed attribute",
        .killed_by = "gradient_consistency.numerical",
        .fault = Fault::recompute_default_seed},
    MutantInfo{
        .id = "mask_not_shared",
        .mechanism = "mixes a number of its own into each seed that it is given",
        .source = "Paddle#21298: the seed was drawn inside, so the mask could not be had a second time",
        .killed_by = "gradient_consistency.recompute",
        .fault = Fault::mask_not_shared,
        .spared = "unbiasedness.kept_value"},
    MutantInfo{.id = "backward_transposed",
               .mechanism = "takes the mask of a backward pass at transposed coordinates",
               .source = "flash-attention#2439: (key, query) for (query, key) in the backward kernel",
               .killed_by = "gradient_consistency.every_element",
               .fault = Fault::backward_transposed},
    MutantInfo{.id = "regenerates_fresh",
               .mechanism = "regenerates the mask for the gradient from a seed of its own",
               .source = "a shim of a mask regeneration hook that took seed and offset and used neither",
               .killed_by = "gradient_consistency.steps",
               .fault = Fault::regenerates_fresh},
    MutantInfo{.id = "mask_from_output",
               .mechanism = "reads the mask of a backward pass off the zeros of the output",
               .source = "candle: the backward pass of dropout asked where the output was not 0",
               .killed_by = "gradient_consistency.every_element",
               .fault = Fault::mask_from_output},
    MutantInfo{.id = "graph_mask_redrawn",
               .mechanism = "draws a new mask when a gradient is differentiated again",
               .source = "ours: recomputing kernels that were never differentiated twice",
               .killed_by = "gradient_consistency.double_backward",
               .fault = Fault::graph_mask_redrawn},
    MutantInfo{.id = "backward_inverse_scale",
               .mechanism = "multiplies kept gradients by 1 - p",
               .source = "ours: the inverse of the scale in the backward pass",
               .killed_by = "gradient_consistency.value",
               .fault = Fault::backward_inverse_scale},
    MutantInfo{.id = "eval_gradient_scaled",
               .mechanism = "scales the gradient of a call in eval mode by 1/(1 - p)",
               .source = "apex#1449 (26ff4e4e): scale and decoding outside of the test for training",
               .killed_by = "gradient_consistency.steps",
               .fault = Fault::eval_gradient_scaled},
};

}  // namespace dropcheck::mutants
