#include "reference/layers/recurrent_layer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "reference/dense_tensors.hpp"
#include "reference/layers/layer_call.hpp"
#include "reference/layers/recurrent.hpp"

namespace dropcheck::reference {
namespace {

Error refused(std::string message) { return Error{ErrorCode::invalid_argument, std::move(message)}; }

Cell cell_of(std::string_view form) {
  return form == "rnn" ? Cell::rnn : form == "lstm" ? Cell::lstm : Cell::gru;
}

CellParameters parameters_of(LayerInputs& inputs, const std::string& suffix, std::int64_t rows,
                             std::int64_t width, std::int64_t hidden) {
  return {inputs.weight("weight_ih" + suffix, rows, width), inputs.weight("weight_hh" + suffix, rows, hidden),
          inputs.bias("bias_ih" + suffix, rows), inputs.bias("bias_hh" + suffix, rows)};
}

}  // namespace

Expected<Observation> run_recurrent_layer(const Call& call, LayerDropout& dropout) {
  LayerAttributes attributes(call.attributes);
  RecurrentNetwork network;
  network.cell = cell_of(form_of(call.attributes));
  const std::int64_t hidden = attributes.count("hidden", kMostFeatures),
                     layers = attributes.count("layers", kMostLayers),
                     directions = attributes.flag("bidirectional", false) ? 2 : 1;
  network.kind = static_cast<DropoutKind>(
      attributes.word("dropout_kind", {"layers", "variational", "input", "recurrent"}));
  const Weights weights = weights_of(attributes);
  if (const Status status = attributes.status(); !status) return status.error();

  const TensorView& x = call.x.view;
  const TensorView& y = call.y.view;
  if (x.shape.size() != 3 || x.count() == 0) return refused("x must be (S, B, I), each 1 or more");
  network.steps = x.shape[0];
  network.batch = x.shape[1];
  if (y.dtype != x.dtype ||
      y.shape != std::vector<std::int64_t>{network.steps, network.batch, directions * hidden})
    return refused(fmt::format("y must be [{}, {}, {}] of x's dtype", network.steps, network.batch,
                               directions * hidden));
  if (const Status status = only_outputs(call, {"h_n"}); !status) return status.error();
  const auto states = wanted_output(call, "h_n", {layers * directions, network.batch, hidden});
  if (!states) return states.error();

  const std::int64_t widest = std::max(x.shape[2], directions * hidden);
  if (network.steps * network.batch > kMostNumbers / (directions * hidden) ||
      widest > kMostNumbers / (gates_of(network.cell) * hidden * layers * directions))
    return Error{ErrorCode::resource_exhausted, "the layer is too large: use a smaller shape"};
  LayerInputs inputs(call, weights);
  const std::int64_t rows = gates_of(network.cell) * hidden;
  for (std::int64_t l = 0; l < layers; ++l) {
    auto& layer = network.layers.emplace_back();
    const std::int64_t width = l == 0 ? x.shape[2] : directions * hidden;
    for (std::int64_t d = 0; d < directions; ++d)
      layer.push_back(
          parameters_of(inputs, fmt::format("_l{}{}", l, d == 1 ? "_reverse" : ""), rows, width, hidden));
  }
  if (const Status status = inputs.status(); !status) return status.error();

  const RecurrentResult result = run_network(network, numbers_of(x, network.steps * network.batch), dropout);
  write_numbers(result.y, y);
  if (*states) write_numbers(result.states, **states);
  Observation seen = observation_of(y);
  if (layers == 1 && call.p > 0.0 && network.kind == DropoutKind::layers)
    seen.warnings.push_back(
        fmt::format("dropout option adds dropout after all but last recurrent layer, so non-zero dropout "
                    "expects num_layers greater than 1, but got dropout={} and num_layers=1",
                    call.p));
  return seen;
}

}  // namespace dropcheck::reference
