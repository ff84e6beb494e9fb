#pragma once
// Dense numbers in logical order: what the layers compute with, in double, before the one rounding at the
// end.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "harness/core/expected.hpp"
#include "harness/core/tensor.hpp"

namespace dropcheck::mutants {

using Shape = std::vector<std::int64_t>;

struct Array {
  Shape shape;
  std::vector<double> values;

  Array() = default;
  /// Zeros.
  explicit Array(Shape of)
      : shape(std::move(of)), values(static_cast<std::size_t>(element_count(shape)), 0.0) {}
};

/// Elements that a layer may hold in one array; larger layers are refused.
inline constexpr std::int64_t kMaxElements = std::int64_t{1} << 27;

/// "(2, 3)".
std::string shape_text(const Shape& shape);

/// Says which shape has more than kMaxElements elements. The extents are not negative.
Status check_size(const Shape& shape);

/// The elements of a tensor with a floating dtype, exactly.
Array read(const TensorView& tensor);
/// Rounds each value once to the tensor's dtype. The tensor has as many elements.
void write(const Array& array, const TensorView& tensor);

}  // namespace dropcheck::mutants
