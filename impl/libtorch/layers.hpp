#pragma once
// Layers that contain dropout, from Torch's C++ front end.

#include <ATen/core/Tensor.h>

#include <functional>
#include <string_view>
#include <vector>

#include "harness/abi/dropcheck_plugin.hpp"
#include "impl/libtorch/attributes.hpp"

namespace dropcheck::libtorch {

/// What a layer returns besides y, "h_n" for one; undefined where the call did not ask for it.
struct FurtherOutput {
  std::string_view name;
  at::Tensor tensor;
};

struct LayerOutput {
  at::Tensor y;
  std::vector<FurtherOutput> further{};
};

/// Runs the layer on x. Throws what Torch throws.
using Layer = std::function<LayerOutput(const at::Tensor& x)>;

/// The layer that the call's form names, for x; borrows the call. Throws plugin::InvalidArgument for missing
/// sizes, inputs that are missing or do not fit, or an x with another number of dimensions than the form
/// takes, plugin::Unsupported for operators that the form does not contain, for unknown inputs and in place,
/// and what Torch's constructors throw. Leaves the random stream alone.
Layer make_layer(const plugin::Call& call, const Attributes& attributes, const at::Tensor& x);

// What make_layer chooses from. They draw from the random stream.
/// torch::nn::RNN (with ReLU), LSTM or GRU. Input and output have the sequence first.
Layer recurrent_layer(const plugin::Call& call, const Attributes& attributes, const at::Tensor& x);
/// torch::nn::MultiheadAttention, self-attention.
Layer multihead_attention_layer(const plugin::Call& call, const Attributes& attributes, const at::Tensor& x);
/// ATen's operator, with x as query and, where the call has no inputs of these names, as key and value. It
/// knows no mode: p holds always.
Layer scaled_dot_product_attention_layer(const plugin::Call& call, const at::Tensor& x);
/// torch::nn::TransformerEncoderLayer.
Layer encoder_layer(const plugin::Call& call, const Attributes& attributes, const at::Tensor& x);
/// torch::nn::TransformerDecoderLayer; the call has an input "memory".
Layer decoder_layer(const plugin::Call& call, const Attributes& attributes, const at::Tensor& x);
/// torch::nn::Linear, BatchNorm1d and Dropout in a network with one hidden layer.
Layer mlp_layer(const plugin::Call& call, const Attributes& attributes, const at::Tensor& x);
/// torch::nn::Conv2d around Dropout2d, or Conv3d around Dropout3d.
Layer cnn_layer(const plugin::Call& call, const Attributes& attributes, const at::Tensor& x);

}  // namespace dropcheck::libtorch
