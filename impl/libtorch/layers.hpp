#pragma once
// Layers that contain dropout, from Torch's C++ front end.

#include <ATen/core/Tensor.h>

#include <functional>
#include <string_view>

#include "harness/abi/dropcheck_plugin.hpp"
#include "impl/libtorch/attributes.hpp"

namespace dropcheck::libtorch {

struct LayerOutput {
  at::Tensor y;
  std::string_view further_name{};  // of what the layer returns besides, "h_n" or "weights"
  at::Tensor further{};             // undefined: nothing
};

/// Runs the layer on x. Throws what Torch throws.
using Layer = std::function<LayerOutput(const at::Tensor& x)>;

/// The layer that the call's form names, for x, with constant weights; borrows the call. Throws
/// plugin::InvalidArgument for missing sizes or an x without three dimensions, plugin::Unsupported for other
/// operators than dropout and in place, and what Torch's constructors throw. Leaves the random stream alone.
Layer make_layer(const plugin::Call& call, const Attributes& attributes, const at::Tensor& x);

// What make_layer chooses from. They draw from the random stream.
/// torch::nn::RNN (with ReLU), LSTM or GRU. Input and output have the sequence first.
Layer recurrent_layer(const plugin::Call& call, const Attributes& attributes, const at::Tensor& x);
/// torch::nn::MultiheadAttention, self-attention.
Layer multihead_attention_layer(const plugin::Call& call, const Attributes& attributes, const at::Tensor& x);
/// ATen's operator, with x as query, key and value. It knows no mode: p holds always.
Layer scaled_dot_product_attention_layer(const plugin::Call& call);
/// torch::nn::TransformerEncoderLayer.
Layer encoder_layer(const plugin::Call& call, const Attributes& attributes, const at::Tensor& x);
/// torch::nn::TransformerDecoderLayer; the call has an input "memory".
Layer decoder_layer(const plugin::Call& call, const Attributes& attributes, const at::Tensor& x);

}  // namespace dropcheck::libtorch
