#pragma once
// The forms rnn, lstm and gru of a call (docs/attributes.md).

#include "harness/core/backend.hpp"
#include "reference/layers/layer_dropout.hpp"

namespace dropcheck::reference {

/// Fills y, and h_n where it is asked for: calculated in double and rounded once to x's dtype. With one layer
/// the default kind has no place to drop at and says so in a warning, PyTorch's. A call that is not as the
/// document says is an invalid argument, what the reference does not have is unsupported.
Expected<Observation> run_recurrent_layer(const Call& call, LayerDropout& dropout);

}  // namespace dropcheck::reference
