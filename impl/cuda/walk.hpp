#pragma once
// Brings the tensors of a call into the shape that the kernels walk.

#include <cstdint>
#include <span>
#include <vector>

#include "impl/cuda/task.hpp"

namespace dropcheck::cuda {

/// The dimensions, outermost first, in which row-major order is the order of addresses: strides fall.
/// Dimensions of one element keep their place, and so do those of equal strides.
std::vector<int> memory_order(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides);

/// Whether elements in row-major order of those dimensions lie without gaps and overlaps.
bool is_dense(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides,
              std::span<const int> order);

/// A walk over `shape` in row-major order of the dimensions `order`, with as few dimensions as that needs.
/// Strides are empty for a tensor that is absent.
Walk make_walk(std::span<const std::int64_t> shape, std::span<const int> order,
               std::span<const std::int64_t> x, std::span<const std::int64_t> y,
               std::span<const std::int64_t> mask);

/// Sets Request::vector where all tensors allow it.
void choose_body(Request& request);

}  // namespace dropcheck::cuda
