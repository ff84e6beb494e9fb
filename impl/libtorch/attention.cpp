#include <ATen/Functions.h>
#include <torch/nn/modules/activation.h>
#include <torch/version.h>

#include <array>
#include <string>
#include <tuple>

#include "impl/libtorch/inputs.hpp"
#include "impl/libtorch/layers.hpp"
#include "impl/libtorch/weights.hpp"

namespace dropcheck::libtorch {
namespace {

using at::Tensor;

/// Output, and the weights where they are wanted.
std::tuple<Tensor, Tensor> attend(const Tensor& query, const Tensor& key, const Tensor& value, double p,
                                  bool want_weights) {
#if TORCH_VERSION_MAJOR >= 2
  // The public operator of version 2 returns no weights; this is the one that it falls back to wherever there
  // is dropout on the CPU.
  if (want_weights) return at::_scaled_dot_product_attention_math(query, key, value, {}, p);
  return {at::scaled_dot_product_attention(query, key, value, {}, p), Tensor()};
#else
  return at::_scaled_dot_product_attention(query, key, value, {}, p, want_weights);
#endif
}

}  // namespace

Layer multihead_attention_layer(const plugin::Call& call, const Attributes& attributes, const Tensor& x) {
  torch::nn::MultiheadAttention module(
      torch::nn::MultiheadAttentionOptions(x.size(2), needed(attributes.heads, "heads")).dropout(call.p()));
  prepare(*module, call, attributes, x);
  return [module, want_weights = call.has_output("weights"),
          average = attributes.average](const Tensor& input) mutable {
    auto [y, weights] = module->forward(input, input, input, /*key_padding_mask=*/{}, want_weights,
                                        /*attn_mask=*/{}, average);
    return LayerOutput{std::move(y), {{"weights", std::move(weights)}}};
  };
}

Layer scaled_dot_product_attention_layer(const plugin::Call& call, const Tensor& x) {
  const std::array<std::string, 2> names = {"key", "value"};
  refuse_inputs_but(call, names);
  // What is not handed over is the query.
  std::array<Tensor, 2> given;
  for (std::size_t i = 0; i < names.size(); ++i)
    if (call.has_input(names[i])) given[i] = lasting_input(call, names[i], x.sizes(), x);
  return [given, p = call.p(), want_weights = call.has_output("weights")](const Tensor& query) {
    const auto& [key, value] = given;
    auto [y, weights] =
        attend(query, key.defined() ? key : query, value.defined() ? value : query, p, want_weights);
    return LayerOutput{std::move(y), {{"weights", std::move(weights)}}};
  };
}

}  // namespace dropcheck::libtorch
