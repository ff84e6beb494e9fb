#include "impl/mutants/network/layers.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dropcheck::mutants {

bool LayerCall::wants(std::string_view output) const {
  return std::any_of(call.outputs.begin(), call.outputs.end(),
                     [&](const NamedTensor& asked) { return asked.name == output; });
}

Status check_dimensions(const LayerCall& layer, std::size_t dimensions, std::string_view form_of_x) {
  if (layer.x.shape.size() == dimensions) return Done{};
  return Error{ErrorCode::invalid_argument,
               fmt::format("{} takes an x of the shape {}, not {}", to_string(layer.options.form), form_of_x,
                           shape_text(layer.x.shape))};
}

Expected<LayerResult> run_layer(const LayerCall& layer) {
  switch (layer.options.form) {
    case Form::rnn:
    case Form::lstm:
    case Form::gru: return run_recurrent(layer);
    case Form::multihead_attention: return run_multihead_attention(layer);
    case Form::scaled_dot_product_attention: return run_scaled_dot_product_attention(layer);
    case Form::encoder_layer: return run_encoder_layer(layer);
    case Form::decoder_layer: return run_decoder_layer(layer);
    case Form::mlp: return run_mlp(layer);
    case Form::cnn: return run_cnn(layer);
    case Form::module: break;
  }
  return Error{ErrorCode::internal, "a module is no layer"};
}

}  // namespace dropcheck::mutants
