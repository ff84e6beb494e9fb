#pragma once
// The tensors that backends are given. They depend on the kind, size and dtype only, so every call of a
// sample sees the same numbers, and so does every backend.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "harness/core/sample.hpp"

namespace dropcheck {

struct InputData {
  std::vector<std::byte> elements;    // dense, in logical order
  std::vector<std::int8_t> integers;  // the same as numbers; empty for inputs that are not integers
};

/// Elements of `problem`'s shape and dtype. For the alpha operators every integer is positive.
InputData make_input(Input kind, const Problem& problem);

}  // namespace dropcheck
