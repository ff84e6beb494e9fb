#pragma once
// The form cnn (docs/attributes.md): a convolution with kernel 1, ReLU, dropout of whole channels, and
// another convolution with kernel 1.

#include "harness/core/backend.hpp"
#include "reference/layers/layer_dropout.hpp"

namespace dropcheck::reference {

/// Fills y: calculated in double and rounded once to x's dtype. A call that is not as the document says is an
/// invalid argument, what the reference does not have is unsupported.
Expected<Observation> run_cnn(const Call& call, LayerDropout& dropout);

}  // namespace dropcheck::reference
