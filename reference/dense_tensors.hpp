#pragma once
// Elements of strided tensors in logical order, for backends that walk them one after the other.

#include <algorithm>
#include <cstring>
#include <vector>

#include "harness/core/backend.hpp"
#include "harness/core/element.hpp"
#include "harness/core/tensor.hpp"

namespace dropcheck::reference {

/// Elements in logical order: the tensor's own memory where it is contiguous, a copy otherwise.
class DenseInput {
 public:
  explicit DenseInput(const TensorView& view) {
    if (view.is_contiguous()) {
      data_ = view.data;
      return;
    }
    copy_.resize(static_cast<std::size_t>(view.count()) * view.element_size());
    gather(view, copy_.data());
    data_ = copy_.data();
  }
  const std::byte* data() const { return data_; }

 private:
  std::vector<std::byte> copy_;
  const std::byte* data_;
};

/// Room for elements in logical order; finish() brings them to where the view has them.
class DenseOutput {
 public:
  explicit DenseOutput(const TensorView& view) : view_(view), direct_(view.is_contiguous()) {
    if (!direct_) copy_.resize(static_cast<std::size_t>(view.count()) * view.element_size());
  }
  std::byte* data() { return direct_ ? view_.data : copy_.data(); }
  void finish() {
    if (!direct_) scatter(copy_.data(), view_);
  }

 private:
  const TensorView& view_;
  bool direct_;
  std::vector<std::byte> copy_;
};

/// Elements that share one mask entry: 1, or the size of a channel. Channels are indexed by dimensions 0 and
/// 1 whatever they mean.
inline std::int64_t elements_per_entry(Op op, std::span<const std::int64_t> shape) {
  return drops_channels(op) ? element_count(shape.subspan(2)) : 1;
}

/// y = x, bit for bit.
inline void copy_elements(const TensorView& in, const TensorView& out) {
  if (in.data == out.data && in.strides == out.strides) return;
  const DenseInput source(in);
  scatter(source.data(), out);
}

/// y = x times 0, which keeps the sign of zero and makes NaN of what is not finite.
inline void zero_elements(const TensorView& in, const TensorView& out) {
  const DenseInput source(in);
  DenseOutput target(out);
  const std::size_t size = in.element_size();
  const std::byte* from = source.data();
  std::byte* to = target.data();
  for (std::int64_t i = 0, count = in.count(); i < count; ++i, from += size, to += size)
    store_element(load_element(from, in.dtype) * 0.0, to, in.dtype);
  target.finish();
}

/// What a backend tells of a result that has the view's own shape, strides and dtype.
inline Observation observation_of(const TensorView& out) {
  Observation seen;
  seen.produced_shape = out.shape;
  seen.produced_strides = out.strides;
  seen.produced_dtype = out.dtype;
  return seen;
}

/// Every byte of a mask.
inline void write_constant_mask(const TensorView& out, std::uint8_t keep) {
  DenseOutput target(out);
  std::fill_n(target.data(), out.count(), std::byte{keep});
  target.finish();
}

}  // namespace dropcheck::reference
