#pragma once
// Forms with attention (docs/attributes.md). All are calculated in double and rounded once to x's dtype. A
// call that is not as the document says is an invalid argument, what the reference does not have is
// unsupported.

#include "harness/core/backend.hpp"
#include "reference/layers/attention.hpp"
#include "reference/layers/layer_call.hpp"

namespace dropcheck::reference {

/// scaled_dot_product_attention: fills y, and `weights` where it is asked for. It has no mode: `dropout` must
/// be that of training.
Expected<Observation> run_product_attention(const Call& call, LayerDropout& dropout);

/// multihead_attention: fills y, and `weights`, after dropout, where they are asked for.
Expected<Observation> run_multihead_attention(const Call& call, LayerDropout& dropout);

/// The parameters of a multi-head attention whose names begin with `prefix`.
MultiheadParameters multihead_parameters(LayerInputs& inputs, const std::string& prefix, std::int64_t heads,
                                         std::int64_t width);
/// Whether y has the shape and dtype of x, (any, B, E) or (B, any, E), the heads share E evenly and neither
/// weights nor parameters are too many. `sources`: the length of the sequences that are attended to.
Status valid_attention(const Call& call, std::int64_t heads, std::int64_t batch_axis, std::int64_t sources);

}  // namespace dropcheck::reference
