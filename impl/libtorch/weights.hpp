#pragma once
// Constant weights, so that a layer's results can be computed by hand.

#include <torch/nn/module.h>

#include "impl/libtorch/attributes.hpp"

namespace dropcheck::libtorch {

/// Turns the module's parameters into constants of that dtype, as docs/attributes.md tells: biases 0, gains
/// of normalisation layers 1, the others as the attribute "weights" says. Then sets its mode.
void prepare(torch::nn::Module& module, c10::ScalarType dtype, Weights weights, bool train);

}  // namespace dropcheck::libtorch
