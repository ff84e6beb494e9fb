#pragma once
// Attention with dropped weights, for the layers that contain it.

#include <functional>
#include <string>

#include "impl/mutants/network/layers.hpp"

namespace dropcheck::mutants {

/// Gains of attention weights of the shape (B, heads, L, S).
using DrawWeights = std::function<Gains(const Shape&)>;

/// What attention without a fault, or with one that concerns all attention, draws.
DrawWeights weights_drawn_by(const LayerCall& layer, bool active);

struct Attended {
  Array y;        // (L, B, E)
  Array weights;  // (B, heads, L, S), after dropout
};

/// Of torch.nn.MultiheadAttention. Query (L, B, E), memory (S, B, E); the names of its parameters begin with
/// `prefix`. E is a multiple of the heads.
Attended multihead(const Array& query, const Array& memory, std::int64_t heads, const Parameters& parameters,
                   const std::string& prefix, const DrawWeights& draw);

/// The shapes of its parameters.
ParameterShapes multihead_shapes(const std::string& prefix, std::int64_t width);

/// Refuses a width that the heads do not divide, and weights that are too large.
Status check_attention(const LayerCall& layer, std::int64_t heads, std::int64_t queries, std::int64_t keys);

}  // namespace dropcheck::mutants
