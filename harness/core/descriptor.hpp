#pragma once
// The one-line grammar of a problem:
// `op=dropout2d,p=0.2,dtype=bf16,shape=16x64x32x32,layout=channels_last,seed=0x5eed`. It serves the command
// line, the profile files and every repro line; docs/descriptor.md is its manual.

#include <string>
#include <string_view>
#include <vector>

#include "harness/core/problem.hpp"

namespace dropcheck {

inline constexpr std::size_t kMaxDescriptorLength = 4096;
inline constexpr std::size_t kMaxExpansion = 100000;

/// Reads one problem, keys in any order. Errors name the column (1-based) and what may stand there.
Expected<Problem> parse_descriptor(std::string_view text);

/// Reads a descriptor whose values may be lists, `p=[0.1,0.5]`, or ranges of integers, `threads=[1:8]`,
/// `seed=[0:6:2]` (first, last, step; both ends included). Returns the cross product, the last list varying
/// fastest.
Expected<std::vector<Problem>> expand_descriptor(std::string_view text);

/// Canonical text: fixed key order, defaults left out, p so that it reads back to the same bits.
/// parse_descriptor(print_descriptor(x)) == x for every valid x.
std::string print_descriptor(const Problem& problem);

}  // namespace dropcheck
