#pragma once
// The forms encoder_layer and decoder_layer (docs/attributes.md): layers of a transformer that normalise
// behind each addition (Vaswani et al. 2017, 3.1; torch.nn.TransformerEncoderLayer and
// TransformerDecoderLayer), with dropout on attention weights, on the result of every sublayer before it is
// added, and inside the feed-forward part.

#include "harness/core/backend.hpp"
#include "reference/layers/layer_dropout.hpp"

namespace dropcheck::reference {

/// Fills y: calculated in double and rounded once to x's dtype. A call that is not as the document says is an
/// invalid argument, what the reference does not have is unsupported.
Expected<Observation> run_transformer_layer(const Call& call, LayerDropout& dropout);

}  // namespace dropcheck::reference
