#include "impl/libtorch/modules.hpp"

#include <torch/nn/functional/dropout.h>
#include <torch/nn/modules/dropout.h>

#include <string>
#include <string_view>
#include <utility>

namespace dropcheck::libtorch {
namespace {

namespace F = torch::nn::functional;
using at::Tensor;

template <typename Module>
Interface module_of(const plugin::Call& call, const Attributes& attributes) {
  torch::nn::DropoutOptions options;
  if (!attributes.defaults) options.p(call.p());
  options.inplace(call.in_place());
  Module module(options);
  module->train(call.train());
  return [module](Tensor& x) mutable { return Produced{module->forward(x)}; };
}

template <typename Options, typename Function>
Interface function_of(Function function, const plugin::Call& call, const Attributes& attributes) {
  if (attributes.defaults && !call.in_place()) return [function](Tensor& x) { return Produced{function(x)}; };
  Options options;
  if (!attributes.defaults) options.p(call.p()).training(call.train());
  options.inplace(call.in_place());
  return [function, options](Tensor& x) { return Produced{function(x, options)}; };
}

struct Row {
  std::string_view op;
  Interface (*module)(const plugin::Call&, const Attributes&);
  Interface (*function)(const plugin::Call&, const Attributes&);
};

constexpr Row kRows[] = {
    {"dropout", &module_of<torch::nn::Dropout>,
     [](const plugin::Call& call, const Attributes& attributes) {
       return function_of<F::DropoutFuncOptions>(
           [](const auto&... arguments) { return F::dropout(arguments...); }, call, attributes);
     }},
    {"dropout2d", &module_of<torch::nn::Dropout2d>,
     [](const plugin::Call& call, const Attributes& attributes) {
       return function_of<F::Dropout2dFuncOptions>(
           [](const auto&... arguments) { return F::dropout2d(arguments...); }, call, attributes);
     }},
    {"dropout3d", &module_of<torch::nn::Dropout3d>,
     [](const plugin::Call& call, const Attributes& attributes) {
       return function_of<F::Dropout3dFuncOptions>(
           [](const auto&... arguments) { return F::dropout3d(arguments...); }, call, attributes);
     }},
    {"alpha_dropout", &module_of<torch::nn::AlphaDropout>,
     [](const plugin::Call& call, const Attributes& attributes) {
       return function_of<F::AlphaDropoutFuncOptions>(
           [](const auto&... arguments) { return F::alpha_dropout(arguments...); }, call, attributes);
     }},
    {"feature_alpha_dropout", &module_of<torch::nn::FeatureAlphaDropout>,
     [](const plugin::Call& call, const Attributes& attributes) {
       return function_of<F::FeatureAlphaDropoutFuncOptions>(
           [](const auto&... arguments) { return F::feature_alpha_dropout(arguments...); }, call, attributes);
     }},
};

const Row& find_row(std::string_view op) {
  for (const Row& row : kRows)
    if (row.op == op) return row;
  throw plugin::Unsupported("LibTorch has no " + std::string(op));
}

}  // namespace

Interface module_interface(const plugin::Call& call, const Attributes& attributes) {
  return find_row(call.op()).module(call, attributes);
}

Interface functional_interface(const plugin::Call& call, const Attributes& attributes) {
  return find_row(call.op()).function(call, attributes);
}

}  // namespace dropcheck::libtorch
