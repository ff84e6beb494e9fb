#include "harness/core/tensor.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <type_traits>

namespace dropcheck {
namespace {

/// Strides of dense memory whose dimensions are nested in `order`, outermost first.
std::vector<std::int64_t> dense_strides(const std::vector<std::int64_t>& shape,
                                        const std::vector<std::size_t>& order) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  std::int64_t step = 1;
  for (std::size_t i = order.size(); i-- > 0;) {
    strides[order[i]] = step;
    step *= std::max<std::int64_t>(shape[order[i]], 1);
  }
  return strides;
}

/// Calls `body` with the size as a constant: copies of one element are single instructions then.
template <typename Body>
void with_element_size(std::size_t size, Body&& body) {
  switch (size) {
    case 1: return body(std::integral_constant<std::size_t, 1>{});
    case 2: return body(std::integral_constant<std::size_t, 2>{});
    case 4: return body(std::integral_constant<std::size_t, 4>{});
    case 8: return body(std::integral_constant<std::size_t, 8>{});
    default: return body(std::integral_constant<std::size_t, 16>{});
  }
}

/// Pointers to the elements in logical order.
template <typename Visit>
void for_each_element(const TensorView& tensor, std::size_t size, Visit&& visit) {
  const std::int64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
  const std::int64_t step =
      (tensor.strides.empty() ? 1 : tensor.strides.back()) * static_cast<std::int64_t>(size);
  for_each_row(tensor, [&](std::byte* at) {
    for (std::int64_t i = 0; i < row; ++i) visit(at + i * step);
  });
}

}  // namespace

TensorGeometry geometry_of(const Problem& problem, bool is_output) {
  const std::size_t rank = problem.shape.size();
  std::vector<std::size_t> order(rank);
  std::iota(order.begin(), order.end(), std::size_t{0});
  TensorGeometry g;
  const bool channels_innermost =
      problem.layout == Layout::channels_last || problem.layout == Layout::channels_last_3d;
  if (channels_innermost && rank >= 3) std::rotate(order.begin() + 1, order.begin() + 2, order.end());
  if (problem.layout == Layout::transposed && rank >= 2) std::swap(order[rank - 1], order[rank - 2]);
  g.strides = dense_strides(problem.shape, order);
  if (problem.layout == Layout::strided)
    for (std::int64_t& stride : g.strides) stride *= 2;
  if (problem.layout == Layout::shifted) g.first = 1;
  if (problem.layout == Layout::expanded && !is_output && rank >= 1) g.strides[0] = 0;
  if (element_count(problem.shape) > 0) {
    g.span = 1;
    for (std::size_t d = 0; d < rank; ++d) g.span += (problem.shape[d] - 1) * g.strides[d];
  }
  return g;
}

bool TensorView::is_contiguous() const {
  std::int64_t step = 1;
  for (std::size_t d = shape.size(); d-- > 0;) {
    if (shape[d] != 1 && strides[d] != step) return false;
    step *= shape[d];
  }
  return true;
}

TensorView in_memory_order(const TensorView& tensor) {
  std::vector<std::size_t> wide;  // dimensions whose stride matters
  for (std::size_t d = 0; d < tensor.shape.size(); ++d)
    if (tensor.shape[d] != 1) wide.push_back(d);
  std::vector<std::size_t> sorted = wide;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](std::size_t a, std::size_t b) { return tensor.strides[a] > tensor.strides[b]; });
  TensorView view = tensor;
  for (std::size_t i = 0; i < wide.size(); ++i) {
    view.shape[wide[i]] = tensor.shape[sorted[i]];
    view.strides[wide[i]] = tensor.strides[sorted[i]];
  }
  return view;
}

void gather(const TensorView& tensor, std::byte* out) {
  if (tensor.is_contiguous()) {
    if (tensor.count() > 0)
      std::memcpy(out, tensor.data, static_cast<std::size_t>(tensor.count()) * tensor.element_size());
    return;
  }
  with_element_size(tensor.element_size(), [&](auto size) {
    for_each_element(tensor, size, [&](const std::byte* element) {
      std::memcpy(out, element, size);
      out += size;
    });
  });
}

void scatter(const std::byte* in, const TensorView& tensor) {
  if (tensor.is_contiguous()) {
    if (tensor.count() > 0)
      std::memcpy(tensor.data, in, static_cast<std::size_t>(tensor.count()) * tensor.element_size());
    return;
  }
  with_element_size(tensor.element_size(), [&](auto size) {
    for_each_element(tensor, size, [&](std::byte* element) {
      std::memcpy(element, in, size);
      in += size;
    });
  });
}

}  // namespace dropcheck
