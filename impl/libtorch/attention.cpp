#include <ATen/Functions.h>
#include <torch/nn/modules/activation.h>
#include <torch/version.h>

#include <tuple>

#include "impl/libtorch/layers.hpp"
#include "impl/libtorch/weights.hpp"

namespace dropcheck::libtorch {
namespace {

using at::Tensor;

/// Output, and the weights where they are wanted.
std::tuple<Tensor, Tensor> attend(const Tensor& x, double p, bool want_weights) {
#if TORCH_VERSION_MAJOR >= 2
  // The public operator of version 2 returns no weights; this is the one that it falls back to wherever there
  // is dropout on the CPU.
  if (want_weights) return at::_scaled_dot_product_attention_math(x, x, x, {}, p);
  return {at::scaled_dot_product_attention(x, x, x, {}, p), Tensor()};
#else
  return at::_scaled_dot_product_attention(x, x, x, {}, p, want_weights);
#endif
}

}  // namespace

Layer multihead_attention_layer(const plugin::Call& call, const Attributes& attributes, const Tensor& x) {
  torch::nn::MultiheadAttention module(
      torch::nn::MultiheadAttentionOptions(x.size(2), needed(attributes.heads, "heads")).dropout(call.p()));
  prepare(*module, x.scalar_type(), attributes.weights, call.train());
  return [module, want_weights = call.has_output("weights")](const Tensor& input) mutable {
    auto [y, weights] = module->forward(input, input, input, /*key_padding_mask=*/{}, want_weights,
                                        /*attn_mask=*/{}, /*average_attn_weights=*/true);
    return LayerOutput{std::move(y), "weights", std::move(weights)};
  };
}

Layer scaled_dot_product_attention_layer(const plugin::Call& call) {
  return [p = call.p(), want_weights = call.has_output("weights")](const Tensor& x) {
    auto [y, weights] = attend(x, p, want_weights);
    return LayerOutput{std::move(y), "weights", std::move(weights)};
  };
}

}  // namespace dropcheck::libtorch
