#pragma once
// Mutants: scale and values.

#include <array>

#include "impl/mutants/mutants.hpp"

namespace dropcheck::mutants {

inline constexpr std::array kValues = {
    MutantInfo{.id = "scale_missing",
               .mechanism = "leaves kept elements unscaled",
               .source = "kaldi#2815, dlordinal#138, oneDNN#2677: a missing or truncated 1/q",
               .killed_by = "unbiasedness.kept_value",
               .fault = Fault::scale_missing,
               .shown_by = "op=dropout,p=0.15,shape=3x5x7x11"},
    MutantInfo{.id = "scale_inverse_p",
               .mechanism = "scales kept elements by 1/p instead of 1/(1 - p)",
               .source = "kaldi#2815: a wrong scale for sequences",
               .killed_by = "unbiasedness.kept_value",
               .fault = Fault::scale_inverse_p,
               .shown_by = "op=dropout,p=0.15,shape=3x5x7x11"},
    MutantInfo{.id = "scale_in_eval",
               .mechanism = "scales by 1/(1 - p) in eval mode too",
               .source = "apex#1449: the scale outside of the test for training",
               .killed_by = "pytorch_semantics.eval_identity",
               .fault = Fault::scale_in_eval},
    MutantInfo{.id = "applied_twice",
               .mechanism = "applies dropout to its own output with a second mask",
               .source = "xformers#301",
               .killed_by = "mask_rate.drop_rate",
               .fault = Fault::applied_twice,
               .shown_by = "op=dropout,p=0.1,shape=64x128x128"},
    MutantInfo{.id = "scale_ulp",
               .mechanism = "scales kept elements by the number next above 1/(1 - p)",
               .source = "ours: 1/q rounded another way",
               .killed_by = "pytorch_semantics.row_22",
               .fault = Fault::scale_ulp,
               .base = "torchlike"},
    MutantInfo{.id = "nan_to_zero",
               .mechanism = "makes 0 of a NaN that is dropped",
               .source = "pytorch#59421: a select in place of a product",
               .killed_by = "pytorch_semantics.row_17",
               .fault = Fault::nan_to_zero,
               .base = "torchlike"},
    MutantInfo{.id = "in_place_ignored",
               .mechanism = "leaves the tensor of an in-place call as it was",
               .source = "ours: the in-place form writes elsewhere",
               .killed_by = "pytorch_semantics.row_52",
               .fault = Fault::in_place_ignored,
               .base = "torchlike"},
};

}  // namespace dropcheck::mutants
