#include "reference/memory_order.hpp"

#include <algorithm>

namespace dropcheck::reference {
namespace {

/// Dimensions of more than one element, the largest stride first.
std::vector<std::size_t> nesting(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides) {
  std::vector<std::size_t> wide;
  for (std::size_t d = 0; d < shape.size(); ++d)
    if (shape[d] != 1) wide.push_back(d);
  std::stable_sort(wide.begin(), wide.end(),
                   [&](std::size_t a, std::size_t b) { return strides[a] > strides[b]; });
  return wide;
}

}  // namespace

bool is_dense(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides) {
  const std::vector<std::size_t> wide = nesting(shape, strides);
  std::int64_t step = 1;
  for (std::size_t i = wide.size(); i-- > 0; step *= shape[wide[i]])
    if (strides[wide[i]] != step) return false;
  return true;
}

MemoryOrder::MemoryOrder(std::vector<std::int64_t> shape, std::span<const std::int64_t> strides)
    : shape_(std::move(shape)), steps_(shape_.size(), 0) {
  std::vector<std::size_t> wide = nesting(shape_, strides);
  const bool shared = std::any_of(wide.begin(), wide.end(), [&](std::size_t d) { return strides[d] == 0; });
  if (shared) std::sort(wide.begin(), wide.end());
  is_logical_ = std::is_sorted(wide.begin(), wide.end());
  std::int64_t step = 1;
  for (std::size_t i = wide.size(); i-- > 0; step *= shape_[wide[i]]) steps_[wide[i]] = step;
}

std::uint64_t MemoryOrder::operator()(std::uint64_t logical) const {
  auto rest = static_cast<std::int64_t>(logical);
  std::int64_t at = 0;
  for (std::size_t d = shape_.size(); d-- > 0; rest /= shape_[d]) at += rest % shape_[d] * steps_[d];
  return static_cast<std::uint64_t>(at);
}

}  // namespace dropcheck::reference
