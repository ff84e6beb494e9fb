#pragma once
// Elements of a record as bytes, for checks that compare bit for bit.

#include <cstdint>
#include <span>
#include <vector>

#include "harness/core/tensor.hpp"

namespace dropcheck::suites {

/// The elements in logical order; empty for a view without data.
std::vector<std::byte> dense_bytes(const TensorView& view);

/// How many elements of `size` bytes each differ; all of the longer one where the lengths differ.
std::uint64_t differing(std::span<const std::byte> a, std::span<const std::byte> b, std::size_t size);

}  // namespace dropcheck::suites
