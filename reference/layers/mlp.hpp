#pragma once
// A network of two linear maps with dropout between them, with or without batch normalisation: the form mlp
// (docs/attributes.md).

#include "harness/core/backend.hpp"
#include "reference/layers/layer_dropout.hpp"

namespace dropcheck::reference {

/// Fills y, and the running statistics where they are asked for: calculated in double, rounded once to x's
/// dtype. `dropout` is that of the call's mode, which with modes=mc must be training. A call that is not as
/// the document says is an invalid argument, what the reference does not have is unsupported.
Expected<Observation> run_mlp(const Call& call, LayerDropout& dropout);

}  // namespace dropcheck::reference
