#include "impl/cuda/operators.hpp"

#include <limits>
#include <string>

#include "harness/abi/dropcheck_plugin.hpp"
#include "impl/cuda/stream_setup.hpp"

namespace dropcheck::cuda {
namespace {

std::uint64_t product(std::span<const std::int64_t> extents) {
  std::uint64_t n = 1;
  for (const std::int64_t extent : extents) n *= static_cast<std::uint64_t>(extent);
  return n;
}

}  // namespace

Operator operator_of(std::string_view name) {
  if (name == "dropout") return {};
  if (name == "dropout1d" || name == "dropout2d" || name == "dropout3d") return {.channels = true};
  if (name == "alpha_dropout") return {.alpha = true};
  if (name == "feature_alpha_dropout") return {.channels = true, .alpha = true};
  throw plugin::Unsupported("operator " + std::string(name) + " is not known");
}

std::uint64_t entries_of(Operator op, std::span<const std::int64_t> shape) {
  return product(op.channels ? shape.first(2) : shape);
}

std::uint64_t per_entry_of(Operator op, std::span<const std::int64_t> shape) {
  return op.channels ? product(shape.subspan(2)) : 1;
}

std::vector<int> logical_order(std::size_t rank) {
  std::vector<int> order(rank);
  for (std::size_t d = 0; d < rank; ++d) order[d] = static_cast<int>(d);
  return order;
}

void check_noise(DType dtype, std::uint64_t entries) {
  constexpr std::uint64_t kLargest = std::numeric_limits<std::int32_t>::max();
  if (dtype == DType::f64) throw plugin::Unsupported("the stream of bernoulli_ on f64 is not documented");
  if (entries > kLargest || (entries > 0 && (entries - 1) * size_of(dtype) >= kLargest))
    throw plugin::Unsupported("bernoulli_ splits " + std::to_string(entries) +
                              " elements, which is not documented");
}

}  // namespace dropcheck::cuda
