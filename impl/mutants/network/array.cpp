#include "impl/mutants/network/array.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/core/element.hpp"

namespace dropcheck::mutants {

std::string shape_text(const Shape& shape) { return fmt::format("({})", fmt::join(shape, ", ")); }

Status check_size(const Shape& shape) {
  std::int64_t left = kMaxElements;
  for (const std::int64_t extent : shape) {
    if (extent == 0) return Done{};
    left /= extent;
  }
  if (left > 0) return Done{};
  return Error{ErrorCode::unsupported,
               fmt::format("a layer that computes a tensor {} is too large", shape_text(shape))};
}

Array read(const TensorView& tensor) {
  const std::size_t size = tensor.element_size();
  Array array(tensor.shape);
  std::vector<std::byte> bytes(array.values.size() * size);
  gather(tensor, bytes.data());
  for (std::size_t i = 0; i < array.values.size(); ++i)
    array.values[i] = load_element(bytes.data() + i * size, tensor.dtype);
  return array;
}

void write(const Array& array, const TensorView& tensor) {
  const std::size_t size = tensor.element_size();
  std::vector<std::byte> bytes(array.values.size() * size);
  for (std::size_t i = 0; i < array.values.size(); ++i)
    store_element(array.values[i], bytes.data() + i * size, tensor.dtype);
  scatter(bytes.data(), tensor);
}

}  // namespace dropcheck::mutants
