#pragma once
// Mutants: calls of more than 2^31 elements.

#include <array>

#include "impl/mutants/mutants.hpp"

namespace dropcheck::mutants {

inline constexpr std::string_view kLargeCase = "op=dropout,p=0.3,shape=2148532227";  // 2^31 + 2^20 + 3

inline constexpr std::array kLarge = {
    MutantInfo{.id = "index_31_bits",
               .mechanism = "uses the lower 31 bits of an index: the mask begins again at element 2^31",
               .source = "triton#2669, FlagGems#23, ffpa-attn#352: offsets of 32 bits in tl.rand",
               .killed_by = "channel_correlation.large_call",
               .fault = Fault::index_31_bits,
               .base = "large",
               .profile = "deep",
               .shown_by = kLargeCase},
    MutantInfo{
        .id = "byte_offset_32",
        .mechanism = "computes offsets in bytes in 32 bits: the mask of f32 begins again at element 2^30",
        .source = "tinygrad#15329, tinygrad#15330: sizes and indices computed in 32 bits",
        .killed_by = "channel_correlation.large_call",
        .fault = Fault::byte_offset_32,
        .base = "large",
        .profile = "deep",
        .shown_by = kLargeCase},
    MutantInfo{.id = "second_half_kept",
               .mechanism = "keeps every element from number 2^31 on",
               .source =
                   "pytorch#141544: randint of int8 with 2^31 - 2 elements is all zeros, because a size "
                   "rounded up overflows",
               .killed_by = "mask_rate.large_call",
               .fault = Fault::second_half_kept,
               .base = "large",
               .profile = "deep",
               .shown_by = kLargeCase},
    MutantInfo{.id = "tail_unwritten",
               .mechanism = "never writes what lies past element 2^31",
               .source = "mlx#3432, mlx#2798, mlx#1301: 4 times a number of elements overflows, writes wrap, "
                         "and a part of "
                         "the buffer is never written",
               .killed_by = "mask_rate.large_call",
               .fault = Fault::tail_unwritten,
               .base = "large",
               .profile = "deep",
               .shown_by = kLargeCase},
};

}  // namespace dropcheck::mutants
