// Recurrent layers with the parameters and gates of torch.nn.RNN (with ReLU), LSTM and GRU.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "impl/mutants/network/algebra.hpp"
#include "impl/mutants/network/layers.hpp"

namespace dropcheck::mutants {
namespace {

struct Extents {
  std::int64_t steps, batch, hidden;
  std::size_t gates;  // rnn 1, lstm 4: i f g o, gru 3: r z n
};

double sigmoid(double v) { return 1.0 / (1.0 + std::exp(-v)); }

/// One layer in one direction.
class Cell {
 public:
  Cell(const LayerCall& layer, const Extents& extents, const Parameters& parameters,
       const std::string& suffix)
      : layer_(layer),
        extents_(extents),
        weight_ih_(parameters.find("weight_ih" + suffix)->second),
        weight_hh_(parameters.find("weight_hh" + suffix)->second),
        bias_ih_(parameters.find("bias_ih" + suffix)->second),
        bias_hh_(parameters.find("bias_hh" + suffix)->second) {}

  /// Draws the masks on the state, which hold for all time steps: one for each gate.
  void draw_state_masks() {
    for (std::size_t gate = 0; gate < extents_.gates; ++gate)
      state_masks_.push_back(gate > 0 && layer_.has(Fault::gates_share_mask)
                                 ? state_masks_.front()
                                 : layer_.sites.draw({extents_.batch, extents_.hidden}, {}, layer_.train()));
  }

  /// States after each step, (S, B, H), of x (S, B, I).
  Array run(const Array& x, bool reverse) const {
    const auto row = static_cast<std::size_t>(extents_.batch * extents_.hidden);
    const std::size_t inputs = row * extents_.gates;  // of one step
    const Array from_x = linear(x, weight_ih_, bias_ih_);
    Array states({extents_.steps, extents_.batch, extents_.hidden});
    Array h({extents_.batch, extents_.hidden});
    std::vector<double> c(row, 0.0);
    const auto steps = static_cast<std::size_t>(extents_.steps);
    for (std::size_t s = 0; s < steps; ++s) {
      const std::size_t t = reverse ? steps - 1 - s : s;
      advance(from_x.values.data() + t * inputs, h, c);
      std::copy(h.values.begin(), h.values.end(),
                states.values.begin() + static_cast<std::ptrdiff_t>(t * row));
    }
    return states;
  }

 private:
  /// What the state adds to a gate before its nonlinearity, (B, H).
  Array from_state(std::size_t gate, const Array& h) const {
    const auto hidden = static_cast<std::size_t>(extents_.hidden);
    const Rows rows{gate * hidden, hidden};
    if (state_masks_.empty()) return linear(h, weight_hh_, bias_hh_, rows);
    Array masked = h;
    multiply(masked.values, state_masks_[gate]);
    return linear(masked, weight_hh_, bias_hh_, rows);
  }

  /// `from_x` is (B, gates, H).
  void advance(const double* from_x, Array& h, std::vector<double>& c) const {
    std::vector<Array> from_h;
    for (std::size_t gate = 0; gate < extents_.gates; ++gate) from_h.push_back(from_state(gate, h));
    const auto hidden = static_cast<std::size_t>(extents_.hidden);
    for (std::size_t i = 0; i < h.values.size(); ++i) {
      const std::size_t b = i / hidden, unit = i % hidden;
      const auto in = [&](std::size_t gate) { return from_x[(b * extents_.gates + gate) * hidden + unit]; };
      const auto back = [&](std::size_t gate) { return from_h[gate].values[i]; };
      const auto both = [&](std::size_t gate) { return in(gate) + back(gate); };
      if (extents_.gates == 1) {
        h.values[i] = both(0) < 0 ? 0 : both(0);
      } else if (extents_.gates == 4) {
        c[i] = sigmoid(both(1)) * c[i] + sigmoid(both(0)) * std::tanh(both(2));
        h.values[i] = sigmoid(both(3)) * std::tanh(c[i]);
      } else {
        const double fresh = std::tanh(in(2) + sigmoid(both(0)) * back(2)), z = sigmoid(both(1));
        h.values[i] = (1.0 - z) * fresh + z * h.values[i];
      }
    }
  }

  const LayerCall& layer_;
  const Extents& extents_;
  const Array& weight_ih_;
  const Array& weight_hh_;
  const Array& bias_ih_;
  const Array& bias_hh_;
  std::vector<Gains> state_masks_;  // empty: the state is not dropped
};

/// The masks between layers and on inputs, (S, B, W).
class Masks {
 public:
  Masks(const LayerCall& layer, DropoutKind kind) : layer_(layer), kind_(kind) {}

  /// Of the output of layer `number`, or of the input of the first where that is -1.
  Gains draw(std::int64_t number, const Shape& shape) {
    const bool active = layer_.train() && !layer_.has(Fault::rnn_dropout_off);
    bool over_time = kind_ != DropoutKind::layers;
    if (over_time ? layer_.has(Fault::variational_fresh_each_step) : layer_.has(Fault::rnn_mask_over_time))
      over_time = !over_time;
    const std::vector<std::size_t> shared =
        over_time ? std::vector<std::size_t>{0} : std::vector<std::size_t>{};
    if (layer_.has(Fault::rnn_mask_cached))
      return layer_.sites.draw_once(fmt::format("recurrent {}", number), shape, shared, active);
    if (number > 0 && layer_.has(Fault::rnn_same_mask_every_layer)) return first_;
    Gains gains = layer_.sites.draw(shape, shared, active);
    if (number == 0) first_ = gains;
    return gains;
  }

 private:
  const LayerCall& layer_;
  DropoutKind kind_;
  Gains first_;
};

/// The outputs of both directions side by side.
Array side_by_side(const std::vector<Array>& directions) {
  if (directions.size() == 1) return directions[0];
  Shape shape = directions[0].shape;
  const auto width = static_cast<std::ptrdiff_t>(shape[2]);
  shape[2] *= 2;
  Array both(shape);
  auto to = both.values.begin();
  for (auto a = directions[0].values.begin(), b = directions[1].values.begin();
       a != directions[0].values.end(); a += width, b += width)
    to = std::copy(b, b + width, std::copy(a, a + width, to));
  return both;
}

/// The last state of each direction, (D, B, H), from outputs (S, B, D H).
std::vector<double> last_states(const Array& out, std::size_t directions) {
  const auto steps = static_cast<std::size_t>(out.shape[0]), batch = static_cast<std::size_t>(out.shape[1]),
             width = static_cast<std::size_t>(out.shape[2]), hidden = width / directions;
  std::vector<double> states;
  for (std::size_t d = 0; d < directions; ++d) {
    const std::size_t t = d == 0 ? steps - 1 : 0;
    for (std::size_t b = 0; b < batch; ++b) {
      const auto from =
          out.values.begin() + static_cast<std::ptrdiff_t>((t * batch + b) * width + d * hidden);
      states.insert(states.end(), from, from + static_cast<std::ptrdiff_t>(hidden));
    }
  }
  return states;
}

std::string suffix_of(std::int64_t number, std::size_t direction) {
  return fmt::format("_l{}{}", number, direction == 0 ? "" : "_reverse");
}

ParameterShapes shapes_of(const Options& o, std::int64_t inputs, std::size_t gates, std::size_t directions) {
  const std::int64_t rows = static_cast<std::int64_t>(gates) * o.hidden;
  ParameterShapes shapes;
  for (std::int64_t number = 0; number < o.layers; ++number) {
    const std::int64_t width = number == 0 ? inputs : o.hidden * static_cast<std::int64_t>(directions);
    for (std::size_t d = 0; d < directions; ++d) {
      const std::string suffix = suffix_of(number, d);
      shapes.push_back({"weight_ih" + suffix, {rows, width}});
      shapes.push_back({"weight_hh" + suffix, {rows, o.hidden}});
      shapes.push_back({"bias_ih" + suffix, {rows}});
      shapes.push_back({"bias_hh" + suffix, {rows}});
    }
  }
  return shapes;
}

}  // namespace

Expected<LayerResult> run_recurrent(const LayerCall& layer) {
  if (const Status status = check_dimensions(layer, 3, "(S, B, I)"); !status) return status.error();
  const Options& o = layer.options;
  const std::size_t directions = o.bidirectional ? 2 : 1;
  const Extents extents{layer.x.shape[0], layer.x.shape[1], o.hidden,
                        o.form == Form::lstm  ? std::size_t{4}
                        : o.form == Form::gru ? std::size_t{3}
                                              : std::size_t{1}};
  if (const Status status = check_size({extents.steps, extents.batch, extents.hidden, 4, 2}); !status)
    return status.error();
  const auto parameters =
      load_parameters(layer.call, o.weights, shapes_of(o, layer.x.shape[2], extents.gates, directions));
  if (!parameters) return parameters.error();

  DropoutKind kind = o.dropout_kind;
  if (kind == DropoutKind::recurrent && layer.has(Fault::recurrent_input_swapped)) kind = DropoutKind::input;
  Masks masks(layer, kind);
  LayerResult result;
  Array h_n({o.layers * static_cast<std::int64_t>(directions), extents.batch, o.hidden});
  auto h_n_end = h_n.values.begin();
  Array x = layer.x;
  for (std::int64_t number = 0; number < o.layers; ++number) {
    if (number == 0 && kind == DropoutKind::input) multiply(x.values, masks.draw(-1, x.shape));
    std::vector<Array> outputs;
    for (std::size_t d = 0; d < directions; ++d) {
      Cell cell(layer, extents, *parameters, suffix_of(number, d));
      if (kind == DropoutKind::recurrent) cell.draw_state_masks();
      outputs.push_back(cell.run(x, d == 1));
    }
    x = side_by_side(outputs);
    std::vector<double> states = last_states(x, directions);
    // After the last layer there is none: torch.nn.RNN.
    const bool last = number + 1 == o.layers;
    const bool dropped =
        !last || layer.has(o.layers == 1 ? Fault::rnn_single_layer_drops : Fault::rnn_drops_last_layer);
    if (dropped && kind != DropoutKind::recurrent) {
      multiply(x.values, masks.draw(number, x.shape));
      if (layer.has(Fault::rnn_hidden_after_dropout)) states = last_states(x, directions);
    }
    h_n_end = std::copy(states.begin(), states.end(), h_n_end);
  }
  result.y = std::move(x);
  result.others.emplace("h_n", std::move(h_n));
  const bool between = o.dropout_kind == DropoutKind::layers || o.dropout_kind == DropoutKind::variational;
  if (between && o.layers == 1 && layer.sites.p() > 0)
    result.warnings.push_back(
        fmt::format("dropout option adds dropout after all but last recurrent layer, so non-zero dropout "
                    "expects num_layers greater than 1, but got dropout={:g} and num_layers=1",
                    layer.sites.p()));
  return result;
}

}  // namespace dropcheck::mutants
