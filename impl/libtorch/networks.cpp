#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/dropout.h>
#include <torch/nn/modules/linear.h>

#include <memory>

#include "impl/libtorch/inputs.hpp"
#include "impl/libtorch/layers.hpp"
#include "impl/libtorch/weights.hpp"

namespace dropcheck::libtorch {
namespace {

using at::Tensor;

/// linear1, normalisation, activation, dropout, normalisation, linear2.
struct Mlp : torch::nn::Module {
  Mlp(std::int64_t inputs, double p, const Attributes& attributes)
      : place(attributes.norm), activation(attributes.activation) {
    const std::int64_t hidden = needed(attributes.hidden, "hidden");
    linear1 = register_module("linear1", torch::nn::Linear(inputs, hidden));
    // With momentum 1 the running statistics are those of the last batch, which a judge can compute.
    if (place != NormPlace::none)
      norm =
          register_module("norm", torch::nn::BatchNorm1d(torch::nn::BatchNorm1dOptions(hidden).momentum(1.)));
    dropout = register_module("dropout", torch::nn::Dropout(p));
    linear2 = register_module("linear2", torch::nn::Linear(hidden, needed(attributes.outputs, "outputs")));
  }
  Tensor forward(const Tensor& x) {
    Tensor h = linear1->forward(x);
    if (place == NormPlace::before) h = norm->forward(h);
    if (activation == Activation::relu) h = at::relu(h);
    h = dropout->forward(h);
    if (place == NormPlace::after) h = norm->forward(h);
    return linear2->forward(h);
  }

  NormPlace place;
  Activation activation;
  torch::nn::Linear linear1{nullptr}, linear2{nullptr};
  torch::nn::BatchNorm1d norm{nullptr};
  torch::nn::Dropout dropout{nullptr};
};

constexpr std::string_view kRunningMean = "norm.running_mean", kRunningVar = "norm.running_var";

template <typename Conv, typename Options, typename Dropout>
struct Cnn : torch::nn::Module {
  Cnn(std::int64_t inputs, std::int64_t channels, double p)
      : conv1(register_module("conv1", Conv(Options(inputs, channels, 1)))),
        dropout(register_module("dropout", Dropout(p))),
        conv2(register_module("conv2", Conv(Options(channels, channels, 1)))) {}
  Tensor forward(const Tensor& x) { return conv2->forward(dropout->forward(at::relu(conv1->forward(x)))); }

  Conv conv1;
  Dropout dropout;
  Conv conv2;
};

template <typename Network>
Layer layer_of(const plugin::Call& call, const Attributes& attributes, const Tensor& x) {
  const std::int64_t inputs = x.size(x.dim() - attributes.dimensions - 1);
  const auto network = std::make_shared<Network>(inputs, needed(attributes.channels, "channels"), call.p());
  prepare(*network, call, attributes, x);
  return [network](const Tensor& input) { return LayerOutput{network->forward(input)}; };
}

}  // namespace

Layer mlp_layer(const plugin::Call& call, const Attributes& attributes, const Tensor& x) {
  if (attributes.mc && !call.train())
    throw plugin::InvalidArgument("\"modes\" = \"mc\" is about a call in training");
  const auto network = std::make_shared<Mlp>(x.size(1), call.p(), attributes);
  if (!network->norm) {
    prepare(*network, call, attributes, x);
  } else {
    prepare(*network, call, attributes, x, {kRunningMean, kRunningVar});
    const at::NoGradGuard no_grad;
    const auto start = [&](std::string_view name, Tensor& statistics) {
      if (call.has_input(name)) statistics.copy_(further_input(call, name, statistics.sizes(), x));
    };
    start(kRunningMean, network->norm->running_mean);
    start(kRunningVar, network->norm->running_var);
  }
  if (attributes.mc) {
    network->eval();
    network->dropout->train();
  }
  return [network](const Tensor& input) {
    LayerOutput output{network->forward(input)};
    if (network->norm)
      output.further = {{kRunningMean, network->norm->running_mean},
                        {kRunningVar, network->norm->running_var}};
    return output;
  };
}

Layer cnn_layer(const plugin::Call& call, const Attributes& attributes, const Tensor& x) {
  if (attributes.dimensions == 2)
    return layer_of<Cnn<torch::nn::Conv2d, torch::nn::Conv2dOptions, torch::nn::Dropout2d>>(call, attributes,
                                                                                            x);
  return layer_of<Cnn<torch::nn::Conv3d, torch::nn::Conv3dOptions, torch::nn::Dropout3d>>(call, attributes,
                                                                                          x);
}

}  // namespace dropcheck::libtorch
