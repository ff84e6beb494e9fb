#pragma once
// A recurrent layer with the nonlinearity ReLU and constant weights, without dropout: of one layer, dropout
// applies to nothing.

#include <cstdint>

#include "harness/core/tensor.hpp"

namespace dropcheck::mutants {

/// The two sets of weights in docs/attributes.md.
enum class RnnWeights : std::uint8_t { ones, small };

/// h_t = relu(W x_t + U h_(t-1)) from h_0 = 0, computed in double with one rounding a state. x is (S, B, I),
/// y takes all states, (S, B, H), and h_n the last one, (1, B, H), or has no data. One floating dtype.
void run_relu_rnn(const TensorView& x, RnnWeights weights, const TensorView& y, const TensorView& h_n);

}  // namespace dropcheck::mutants
