#pragma once
// The parameters of a layer: constants, or what the call hands over.

#include <torch/nn/module.h>

#include <initializer_list>
#include <string_view>

#include "harness/abi/dropcheck_plugin.hpp"
#include "impl/libtorch/attributes.hpp"

namespace dropcheck::libtorch {

/// Sets the module's parameters, in x's dtype, as docs/attributes.md tells: to the call's inputs of their
/// names where the attribute "weights" is "given"; else biases to 0, gains of normalisation layers to 1 and
/// the others to constants. Then sets the module's mode. Throws plugin::InvalidArgument, which names the
/// parameter, for one that is missing or has another shape or dtype, and plugin::Unsupported for an input of
/// the call that is neither x nor a parameter nor one of `further`.
void prepare(torch::nn::Module& module, const plugin::Call& call, const Attributes& attributes,
             const at::Tensor& x, std::initializer_list<std::string_view> further = {});

}  // namespace dropcheck::libtorch
