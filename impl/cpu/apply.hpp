#pragma once
// The arithmetic of the operators on dense runs of elements, and the walk that brings strided tensors into
// such runs.

#include <cstddef>
#include <cstdint>

#include "harness/core/tensor.hpp"

namespace dropcheck::cpu {

/// y = kept ? x * gain + kept_shift : x * 0 + dropped_shift; without shifts the additions are left out, since
/// they would lose the sign of zero. f64 computes in double, every other dtype in float; the result is
/// rounded once.
struct Affine {
  double gain = 0;
  bool shifts = false;
  double kept_shift = 0;
  double dropped_shift = 0;
};

/// Forward law of an operator for 0 < p < 1 in training. Plain: gain fl(1 / fl(q)), which the half types take
/// from f32. Alpha (Klambauer et al. 2017, PyTorch's constant): gain a = ((alpha^2 p + 1) q)^(-1/2), shifts
/// alpha a p and -alpha a q.
Affine forward_law(Op op, double p, DType dtype);
/// dx = kept ? dy * gain : dy * 0.
Affine backward_law(Op op, double p, DType dtype);

/// Applies the law to `count` dense elements, which may be in place; kept holds one byte an element.
void apply(const Affine& law, DType dtype, const std::byte* x, const std::uint8_t* kept, std::size_t count,
           std::byte* y);

/// Reads and writes runs of a tensor in logical order, wherever its elements lie.
class Walker {
 public:
  /// Stands before element number `first`.
  Walker(const TensorView& view, std::int64_t first);

  /// Address of the next `count` elements when they lie dense; null otherwise.
  std::byte* dense() const { return contiguous_ ? data_ + position_ * size_ : nullptr; }
  /// Copies the next `count` elements out of or into the tensor and steps over them.
  void read(std::size_t count, std::byte* to);
  void write(std::size_t count, const std::byte* from);
  void skip(std::size_t count) { position_ += static_cast<std::int64_t>(count); }

 private:
  template <typename Copy>
  void for_each_run(std::size_t count, Copy&& copy);

  const TensorView& view_;
  std::byte* data_;
  std::int64_t size_;
  bool contiguous_;
  std::int64_t position_;
};

}  // namespace dropcheck::cpu
