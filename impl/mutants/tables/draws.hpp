#pragma once
// Mutants: draws within one mask.

#include <array>

#include "impl/mutants/mutants.hpp"

namespace dropcheck::mutants {

inline constexpr std::array kDraws = {
    MutantInfo{.id = "row_key",
               .mechanism = "draws by the position inside the innermost row, so every row has the same mask",
               .source = "xformers#164, TransformerEngine#227: one seed for all rows",
               .killed_by = "channel_correlation.axes",
               .fault = Fault::row_key,
               .shown_by = "op=dropout,p=0.3,shape=64x128x128"},
    MutantInfo{.id = "lanes_of_four",
               .mechanism = "decides four neighbouring mask entries by one draw",
               .source = "oneDNN 3f27bec2: the low two bits of the index are lost; pytorch#198333",
               .killed_by = "channel_correlation.axes",
               .fault = Fault::lanes_of_four,
               .shown_by = "op=dropout,p=0.3,shape=64x128x128"},
    MutantInfo{.id = "thresholds_uncoupled",
               .mechanism = "draws other numbers for another p under the same seed",
               .source = "ours: p enters what is drawn and not the threshold alone",
               .killed_by = "seed_determinism.coupled_thresholds",
               .fault = Fault::thresholds_uncoupled,
               .base = "entries"},
    MutantInfo{.id = "seven_rounds",
               .mechanism = "claims dropcheck-philox and takes 7 rounds of Philox instead of 10",
               .source = "ours: a shortened Philox, which only a known answer sees",
               .killed_by = "exact_stream.masks",
               .fault = Fault::seven_rounds,
               .base = "philox"},
    MutantInfo{.id = "expanded_shared",
               .mechanism = "draws once for all copies of an expanded element",
               .source = "csarofeen/pytorch#1888: one draw for each element that is broadcast",
               .killed_by = "pytorch_semantics.row_50",
               .fault = Fault::expanded_shared,
               .base = "torchlike"},
    MutantInfo{.id = "words_swapped",
               .mechanism = "takes the first of an element's two words as the low half",
               .source = "ours: the two words of a 64-bit draw in the other order",
               .killed_by = "pytorch_semantics.row_39",
               .fault = Fault::words_swapped,
               .base = "torchlike"},
    MutantInfo{
        .id = "three_words",
        .mechanism =
            "takes three words of the generator an element and uses two, so the next call begins too late",
        .source = "ours: a generator that moves on by too much, against a documented stream",
        .killed_by = "pytorch_semantics.row_44",
        .fault = Fault::three_words,
        .base = "torchlike"},
    MutantInfo{.id = "memory_order",
               .mechanism = "draws the mask by address where the input is not contiguous",
               .source = "pytorch#174078, #177077: drawn in the order of strides",
               .killed_by = "pytorch_semantics.row_46",
               .fault = Fault::memory_order,
               .base = "torchlike"},
};

}  // namespace dropcheck::mutants
