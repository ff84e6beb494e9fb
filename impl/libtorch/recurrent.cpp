#include <torch/enum.h>
#include <torch/nn/modules/rnn.h>

#include <tuple>

#include "impl/libtorch/layers.hpp"
#include "impl/libtorch/weights.hpp"

namespace dropcheck::libtorch {
namespace {

/// RNN, LSTM and GRU have options of the same names.
template <typename Options>
Options options_of(const plugin::Call& call, const Attributes& attributes, const at::Tensor& x) {
  return Options(x.size(2), needed(attributes.hidden, "hidden"))
      .num_layers(attributes.layers)
      .bidirectional(attributes.bidirectional)
      .dropout(call.p());
}

/// A module that returns y and the last hidden state; an LSTM's comes with the cell state.
template <typename Module, typename Options>
Layer layer_of(const Options& options, const plugin::Call& call, const Attributes& attributes,
               const at::Tensor& x) {
  Module module(options);
  prepare(*module, call, attributes, x);
  return [module](const at::Tensor& input) mutable {
    const auto result = module->forward(input);
    if constexpr (std::is_same_v<Module, torch::nn::LSTM>)
      return LayerOutput{std::get<0>(result), {{"h_n", std::get<0>(std::get<1>(result))}}};
    else return LayerOutput{std::get<0>(result), {{"h_n", std::get<1>(result)}}};
  };
}

}  // namespace

Layer recurrent_layer(const plugin::Call& call, const Attributes& attributes, const at::Tensor& x) {
  if (attributes.form == Form::lstm)
    return layer_of<torch::nn::LSTM>(options_of<torch::nn::LSTMOptions>(call, attributes, x), call,
                                     attributes, x);
  if (attributes.form == Form::gru)
    return layer_of<torch::nn::GRU>(options_of<torch::nn::GRUOptions>(call, attributes, x), call, attributes,
                                    x);
  auto options = options_of<torch::nn::RNNOptions>(call, attributes, x);
  options.nonlinearity(torch::kReLU);
  return layer_of<torch::nn::RNN>(options, call, attributes, x);
}

}  // namespace dropcheck::libtorch
