#include "impl/libtorch/modules.hpp"

#include <ATen/core/grad_mode.h>
#include <torch/nn/functional/dropout.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/dropout.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dropcheck::libtorch {
namespace {

namespace F = torch::nn::functional;
using at::Tensor;

/// Builds the module anew in every forward call. A new module is in training mode, whatever its parent's.
template <typename Child>
class Parent : public torch::nn::Module {
 public:
  explicit Parent(const torch::nn::DropoutOptions& options) : options_(options) {}
  Tensor forward(Tensor x) {
    Child child(options_);
    return child->forward(std::move(x));
  }

 private:
  torch::nn::DropoutOptions options_;
};

/// One more level: Sequential takes no other Sequential, whose forward is a template.
class Level : public torch::nn::Module {
 public:
  explicit Level(const torch::nn::Sequential& held) : held_(register_module("held", held)) {}
  Tensor forward(Tensor x) { return held_->forward(std::move(x)); }

 private:
  torch::nn::Sequential held_;
};

/// A module among others: the outermost one, whose mode is set, and a call through all of them.
struct Placed {
  std::shared_ptr<torch::nn::Module> outermost;
  std::function<Tensor(const Tensor& x)> forward;
};

template <typename Module>
Placed place(const std::shared_ptr<Module>& module, std::int64_t nested) {
  if (nested == 0) return {module, [module](const Tensor& x) { return module->forward(x); }};
  torch::nn::Sequential outer;
  outer->push_back(module);
  for (std::int64_t level = 1; level < nested; ++level) {
    torch::nn::Sequential next;
    next->push_back(std::make_shared<Level>(outer));
    outer = next;
  }
  return {outer.ptr(), [outer](const Tensor& x) mutable { return outer->forward(x); }};
}

/// The modes of the history with a call in each, then the call itself.
Interface after_history(Placed placed, const plugin::Call& call, const Attributes& attributes) {
  return [placed = std::move(placed), history = attributes.history, no_grad = attributes.no_grad,
          train = call.train(), in_place = call.in_place()](Tensor& x) {
    for (const bool mode : history) {
      placed.outermost->train(mode);
      placed.forward(in_place ? x.detach().clone() : x);  // x is written to once
    }
    placed.outermost->train(train);
    const at::AutoGradMode grad(at::GradMode::is_enabled() && !no_grad);
    return Produced{placed.forward(x)};
  };
}

template <typename Module>
Interface module_of(const plugin::Call& call, const Attributes& attributes) {
  torch::nn::DropoutOptions options;
  if (!attributes.defaults) options.p(call.p());
  options.inplace(call.in_place());
  if (attributes.inside)
    return after_history(place(std::make_shared<Parent<Module>>(options), attributes.nested), call,
                         attributes);
  if (!attributes.history.empty() || attributes.nested > 0 || attributes.no_grad)
    return after_history(place(Module(options).ptr(), attributes.nested), call, attributes);
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
