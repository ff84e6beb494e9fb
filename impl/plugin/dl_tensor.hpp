#pragma once
// Tensors of a call as the DLTensors that a plugin borrows.

#include <array>

#include "harness/abi/dropcheck_plugin.h"
#include "harness/core/backend.hpp"

namespace dropcheck::plugin_host {

DLDataType dl_dtype(DType dtype);
/// Absent for anything that no dtype of ours is.
std::optional<DType> dtype_of(DLDataType dtype);

/// A DLTensor with its own copies of shape and strides; does not own the elements. Neither copied nor moved
/// once made.
class LentTensor {
 public:
  explicit LentTensor(const TensorView& view);
  LentTensor(const LentTensor&) = delete;
  LentTensor& operator=(const LentTensor&) = delete;
  DLTensor* get() { return &tensor_; }
  /// Lends the copy of the elements that begins at `data`, on that device.
  void move_to(void* data, DLDevice device) {
    tensor_.data = data;
    tensor_.device = device;
  }

 private:
  std::array<std::int64_t, kMaxRank> shape_{};
  std::array<std::int64_t, kMaxRank> strides_{};
  DLTensor tensor_{};
};

}  // namespace dropcheck::plugin_host
