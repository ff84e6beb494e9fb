#pragma once
// Views of strided memory that somebody else owns, and the memory layouts of a problem.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "harness/core/problem.hpp"

namespace dropcheck {

/// Where the elements of a problem's tensor lie, relative to the start of an aligned allocation.
struct TensorGeometry {
  std::vector<std::int64_t> strides;  // in elements, one a dimension
  std::int64_t first = 0;             // elements before the first one
  std::int64_t span = 0;              // elements from the first to one past the last that memory must hold
};

/// Layout of an input or output. An output of layout=expanded is contiguous: it cannot share its elements.
TensorGeometry geometry_of(const Problem& problem, bool is_output);

/// A borrowed tensor: whoever made the view keeps the memory alive. Strides in elements.
struct TensorView {
  std::byte* data = nullptr;  // of the element at index (0, 0, ...)
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;

  std::int64_t count() const { return element_count(shape); }
  std::size_t element_size() const { return size_of(dtype); }
  bool is_contiguous() const;
};

/// The same elements with the dimensions in order of their strides, the largest first: row-major order of the
/// result is the order of addresses. Dimensions of one element stay where they are.
TensorView in_memory_order(const TensorView& tensor);

/// Copies the elements in logical (row-major) order into `out`, which holds count() * element_size() bytes.
void gather(const TensorView& tensor, std::byte* out);
/// Writes elements given in logical order to where the view has them.
void scatter(const std::byte* in, const TensorView& tensor);

/// Calls `visit(byte pointer)` for each innermost row start in logical order; the row has shape.back()
/// elements that lie strides.back() apart (one element for rank 0).
template <typename Visit>
void for_each_row(const TensorView& tensor, Visit&& visit) {
  if (tensor.count() == 0) return;
  const std::size_t rank = tensor.shape.size();
  if (rank <= 1) {
    visit(tensor.data);
    return;
  }
  std::vector<std::int64_t> index(rank - 1, 0);
  const auto size = static_cast<std::int64_t>(tensor.element_size());
  std::int64_t offset = 0;
  while (true) {
    visit(tensor.data + offset * size);
    std::size_t d = rank - 1;
    while (d-- > 0) {
      offset += tensor.strides[d];
      if (++index[d] < tensor.shape[d]) break;
      offset -= tensor.strides[d] * tensor.shape[d];
      index[d] = 0;
      if (d == 0) return;
    }
  }
}

}  // namespace dropcheck
