#pragma once
// The layers that contain dropout. Each is computed in double and rounded once, in the end, by whoever asked.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/backend.hpp"
#include "impl/mutants/network/options.hpp"
#include "impl/mutants/network/parameters.hpp"
#include "impl/mutants/network/sites.hpp"

namespace dropcheck::mutants {

/// What a layer is asked for. Its x has elements.
struct LayerCall {
  const Call& call;
  const Options& options;
  const Array& x;
  Sites& sites;

  bool train() const { return call.mode == Mode::train; }
  bool has(Fault fault) const { return sites.fault() == fault; }
  /// Whether the call asks for that further output.
  bool wants(std::string_view output) const;
};

struct LayerResult {
  Array y{};
  std::map<std::string, Array, std::less<>> others{};  // further outputs, by name
  std::vector<std::string> warnings{};
};

// What does not fit the layer is an invalid argument, found before anything is drawn.
Expected<LayerResult> run_recurrent(const LayerCall& layer);
Expected<LayerResult> run_multihead_attention(const LayerCall& layer);
Expected<LayerResult> run_scaled_dot_product_attention(const LayerCall& layer);
Expected<LayerResult> run_encoder_layer(const LayerCall& layer);
Expected<LayerResult> run_decoder_layer(const LayerCall& layer);
Expected<LayerResult> run_mlp(const LayerCall& layer);
Expected<LayerResult> run_cnn(const LayerCall& layer);

/// The layer that the options name; no module.
Expected<LayerResult> run_layer(const LayerCall& layer);

/// Refuses an x of another number of dimensions; `form_of_x` is such as "(S, B, I)".
Status check_dimensions(const LayerCall& layer, std::size_t dimensions, std::string_view form_of_x);

}  // namespace dropcheck::mutants
