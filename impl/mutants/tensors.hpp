#pragma once
// Strided tensors for the bases: elements in logical order, and what a new tensor would look like.

#include <cstdint>
#include <span>
#include <vector>

#include "harness/core/backend.hpp"
#include "impl/mutants/law.hpp"
#include "impl/mutants/mask.hpp"

namespace dropcheck::mutants {

/// out = law of in under the mask. The tensors have the same shape and dtype, a floating one, and may be the
/// same.
void apply_to_tensors(const Law& law, const Mask& mask, const TensorView& in, const TensorView& out);

/// A mask that keeps or drops everything.
Mask uniform_mask(const TensorView& view, std::uint8_t keep);

/// One byte an element in logical order, 1 = kept; `out` has elements of one byte and the mask's number of
/// them.
void write_mask(const Mask& mask, const TensorView& out);

/// out = in, bit for bit, in any dtype.
void copy_elements(const TensorView& in, const TensorView& out);

/// out = in times 0 in any dtype: the sign of zero stays, and what is not finite becomes NaN.
void zero_elements(const TensorView& in, const TensorView& out);

/// Strides in elements of a tensor without gaps, the last dimension innermost.
std::vector<std::int64_t> row_major_strides(std::span<const std::int64_t> shape);

/// Strides in elements, without gaps, with the dimensions in the order of the view's strides. A view that
/// shares elements (stride 0) counts as row-major.
std::vector<std::int64_t> packed_strides(const TensorView& view);

/// True where some elements of the view are the same memory: a dimension of stride 0.
bool shares_elements(const TensorView& view);

/// Says shape, strides and dtype of the result.
Observation observation_of(const TensorView& out);

}  // namespace dropcheck::mutants
