#pragma once
// Mutants: units, positions and modes.

#include <array>

#include "impl/mutants/mutants.hpp"

namespace dropcheck::mutants {

inline constexpr std::array kStructure = {
    MutantInfo{.id = "tail_kept",
               .mechanism = "never drops the mask entries past the last multiple of four",
               .source = "mlx#2877, apex#1614: the remainder after whole vectors",
               .killed_by = "mask_rate.position",
               .fault = Fault::tail_kept,
               .shown_by = "op=dropout,p=0.3,shape=4099"},
    MutantInfo{.id = "dropout2d_elementwise",
               .mechanism = "drops single elements where whole channels are asked for",
               .source = "pytorch#22879, #69960",
               .killed_by = "channel_correlation.whole_channels",
               .fault = Fault::dropout2d_elementwise,
               .shown_by = "op=dropout2d,p=0.15,shape=16x17x3x5"},
    MutantInfo{.id = "batch_shares_channels",
               .mechanism = "draws channels once for the whole batch, so that samples share masks",
               .source = "timm#2118, Swin#366: one draw for the batch in place of one for each sample",
               .killed_by = "channel_correlation.channels",
               .fault = Fault::batch_shares_channels},
    MutantInfo{.id = "draws_at_p1",
               .mechanism = "draws a mask at p = 1 and does not use it",
               .source = "mxnet#16705: a call that drops nothing by chance moves the generator",
               .killed_by = "pytorch_semantics.row_20",
               .fault = Fault::draws_at_p1,
               .base = "torchlike"},
    MutantInfo{.id = "error_text",
               .mechanism = "refuses a p out of range in words of its own",
               .source = "ours: another message than the one that users' code looks for",
               .killed_by = "pytorch_semantics.row_1",
               .fault = Fault::error_text,
               .base = "torchlike"},
    MutantInfo{.id = "copy_in_eval",
               .mechanism = "returns a copy in eval mode instead of the input itself",
               .source = "ours: eval returns a copy",
               .killed_by = "pytorch_semantics.row_11",
               .fault = Fault::copy_in_eval,
               .base = "torchlike"},
    MutantInfo{.id = "silent_rnn",
               .mechanism = "does not warn of a recurrent layer whose dropout applies to nothing",
               .source = "tensorflow#6466: dropout of one layer has no effect, without a word",
               .killed_by = "pytorch_semantics.row_96",
               .fault = Fault::silent_rnn,
               .base = "torchlike"},
};

}  // namespace dropcheck::mutants
