#pragma once
// Mutants: rates and thresholds.

#include <array>

#include "impl/mutants/mutants.hpp"

namespace dropcheck::mutants {

inline constexpr std::array kRates = {
    MutantInfo{.id = "swapped",
               .mechanism = "drops with the keep probability and keeps with the drop probability",
               .source = "electra#61, ledger#2288, pytorch-i3d#58, Dluid#125: the keep probability where the "
                         "drop probability is expected",
               .killed_by = "mask_rate.drop_rate",
               .fault = Fault::swapped,
               .shown_by = "op=dropout,p=0.1,shape=64x128x128"},
    MutantInfo{.id = "threshold8",
               .mechanism = "compares 8 random bits with floor(256 p)",
               .source = "TransformerEngine#2014: floor(256 p)",
               .killed_by = "mask_rate.drop_rate",
               .fault = Fault::threshold8,
               .shown_by = "op=dropout,p=0.1,shape=64x128x128"},
    MutantInfo{.id = "kept_at_threshold",
               .mechanism = "keeps an element whose random number equals 1 - p: <= for <",
               .source = "apex#1614, TransformerEngine#2014: <= for <",
               .killed_by = "exact_stream.thresholds",
               .fault = Fault::kept_at_threshold,
               .base = "torchlike"},
};

}  // namespace dropcheck::mutants
