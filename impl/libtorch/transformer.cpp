#include <torch/nn/modules/transformerlayer.h>

#include "impl/libtorch/inputs.hpp"
#include "impl/libtorch/layers.hpp"
#include "impl/libtorch/weights.hpp"

namespace dropcheck::libtorch {
namespace {

/// Both layers have options of the same names.
template <typename Options>
Options options_of(const plugin::Call& call, const Attributes& attributes, const at::Tensor& x) {
  return Options(x.size(2), needed(attributes.heads, "heads"))
      .dim_feedforward(needed(attributes.feed_forward, "feed_forward"))
      .dropout(call.p());
}

}  // namespace

Layer encoder_layer(const plugin::Call& call, const Attributes& attributes, const at::Tensor& x) {
  torch::nn::TransformerEncoderLayer module(
      options_of<torch::nn::TransformerEncoderLayerOptions>(call, attributes, x));
  prepare(*module, call, attributes, x);
  return [module](const at::Tensor& input) mutable { return LayerOutput{module->forward(input)}; };
}

Layer decoder_layer(const plugin::Call& call, const Attributes& attributes, const at::Tensor& x) {
  const at::Tensor memory = lasting_input(call, "memory", {-1, x.size(1), x.size(2)}, x);
  torch::nn::TransformerDecoderLayer module(
      options_of<torch::nn::TransformerDecoderLayerOptions>(call, attributes, x));
  prepare(*module, call, attributes, x, {"memory"});
  return [module, memory](const at::Tensor& input) mutable {
    return LayerOutput{module->forward(input, memory)};
  };
}

}  // namespace dropcheck::libtorch
