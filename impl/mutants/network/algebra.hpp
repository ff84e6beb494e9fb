#pragma once
// The few functions of arrays that the layers are made of.

#include <cstddef>

#include "impl/mutants/network/array.hpp"

namespace dropcheck::mutants {

/// Of LayerNorm and BatchNorm: torch's default.
inline constexpr double kNormEpsilon = 1e-5;

struct Rows {
  std::size_t first, count;
};

/// y = x W^T + b, row by row: x is (..., I), W (O, I), b (O); y is (..., O).
Array linear(const Array& x, const Array& weight, const Array& bias);
/// The same with some of the rows of W and b only.
Array linear(const Array& x, const Array& weight, const Array& bias, Rows rows);

/// max(v, 0), which keeps NaN.
void relu(Array& x);

/// Each row of `width` numbers becomes exp(v) / sum exp(v), computed with the largest one taken off.
void softmax_rows(Array& x, std::size_t width);

/// Each row of the last dimension: (v - mean) / sqrt(variance + eps) * gain + shift, with the biased variance
/// (Ba, Kiros, Hinton: "Layer normalization", 2016).
void layer_norm(Array& x, const Array& gain, const Array& shift);

/// a += b: of one shape.
void add(Array& a, const Array& b);

}  // namespace dropcheck::mutants
