#pragma once
// The order of a tensor's elements by address, for streams that fill memory instead of counting indices.

#include <cstdint>
#include <span>
#include <vector>

namespace dropcheck::reference {

/// True where the elements fill their memory without gaps and share none of it: PyTorch's
/// is_non_overlapping_and_dense. Dimensions of one element do not matter.
bool is_dense(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides);

/// Numbers elements by address. Where addresses are shared (stride 0) it is the logical (row-major) number.
class MemoryOrder {
 public:
  MemoryOrder() = default;  // of a tensor of rank 0
  MemoryOrder(std::vector<std::int64_t> shape, std::span<const std::int64_t> strides);

  /// True where both orders are the same.
  bool is_logical() const { return is_logical_; }
  /// Number by address of the element with that row-major number.
  std::uint64_t operator()(std::uint64_t logical) const;
  /// Calls visit(logical, by address) for every element in logical order.
  template <typename Visit>
  void for_each(Visit&& visit) const;

 private:
  std::vector<std::int64_t> shape_;
  std::vector<std::int64_t> steps_;  // strides of a dense tensor whose dimensions are nested alike
  bool is_logical_ = true;
};

template <typename Visit>
void MemoryOrder::for_each(Visit&& visit) const {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape_) count *= extent;
  std::vector<std::int64_t> index(shape_.size(), 0);
  std::int64_t at = 0;
  for (std::int64_t logical = 0; logical < count; ++logical) {
    visit(static_cast<std::uint64_t>(logical), static_cast<std::uint64_t>(at));
    for (std::size_t d = shape_.size(); d-- > 0;) {
      at += steps_[d];
      if (++index[d] < shape_[d]) break;
      at -= steps_[d] * shape_[d];
      index[d] = 0;
    }
  }
}

}  // namespace dropcheck::reference
