#include "suites/embedding/recurrent_network.hpp"

#include <array>
#include <cmath>

#include "suites/embedding/parameters.hpp"

namespace dropcheck::suites::embedding {
namespace {

constexpr double kOpen = 40, kShut = -40;  // biases that make a sigmoid 1 or 0, and a tanh 1, in f32
// Gates by number.
constexpr std::size_t kInput = 0, kForget = 1, kCandidate = 2, kOutput = 3;  // lstm
constexpr std::size_t kReset = 0, kUpdate = 1, kNew = 2;                     // gru

}  // namespace

const char* form_name(Cell cell) {
  constexpr std::array names = {"rnn", "lstm", "gru"};
  return names[static_cast<std::size_t>(cell)];
}

std::size_t gates_of(Cell cell) {
  constexpr std::array counts = {std::size_t{1}, std::size_t{4}, std::size_t{3}};
  return counts[static_cast<std::size_t>(cell)];
}

const char* gate_name(Cell cell, std::size_t gate) {
  constexpr std::array lstm = {"the input gate", "the forget gate", "the candidate", "the output gate"};
  constexpr std::array gru = {"the reset gate", "the update gate", "the candidate"};
  if (cell == Cell::lstm) return lstm.at(gate);
  if (cell == Cell::gru) return gru.at(gate);
  return "the new state";
}

reference::RecurrentShape RecurrentShape::counted() const {
  const auto u = [](std::int64_t v) { return static_cast<std::uint64_t>(v); };
  return {u(layers), u(steps), u(batch), u(hidden), u(directions())};
}

RecurrentNetwork::RecurrentNetwork(Cell cell, RecurrentShape shape) : cell_(cell), shape_(shape) {
  const std::size_t rows = gates_of(cell) * static_cast<std::size_t>(shape.hidden);
  for (std::int64_t l = 0; l < shape.layers; ++l)
    for (std::int64_t d = 0; d < shape.directions(); ++d)
      layers_.push_back({std::vector<double>(rows * static_cast<std::size_t>(inputs_of(l))),
                         std::vector<double>(rows * static_cast<std::size_t>(shape.hidden)),
                         std::vector<double>(rows), std::vector<double>(rows)});
}

RecurrentNetwork RecurrentNetwork::reading_from(Cell cell, RecurrentShape shape, std::int64_t first_reading) {
  RecurrentNetwork network(cell, shape);
  for (std::int64_t l = 0; l < shape.layers; ++l)
    l < first_reading ? network.make_constant(l) : network.make_reading(l);
  return network;
}

// With h(-1) = 0 the first step is that of dropped elements. Each gate must let a kept element make a
// difference that is plain in f32, whatever the others do:
//   rnn   h = relu(1 + h/2)
//   lstm  h = o tanh(f c + i g); the gates that are not read stand open or shut
//   gru   h = (1 - z) n + z h
RecurrentNetwork RecurrentNetwork::reading_hidden(Cell cell, RecurrentShape shape, std::size_t gate) {
  DROPCHECK_CHECK(shape.layers == 1 && !shape.bidirectional && gate < gates_of(cell));
  RecurrentNetwork network(cell, shape);
  std::vector<double>& bias = network.layer(0, 0).input_bias;
  const auto biases = [&](std::initializer_list<double> values) {
    std::size_t g = 0;
    for (const double value : values) network.set_bias(bias, g++, value);
  };
  switch (cell) {
    case Cell::rnn:
      biases({1});
      network.read_hidden(0, 0.5);
      break;
    case Cell::lstm:
      if (gate == kInput) biases({-1, kShut, kOpen, kOpen});
      if (gate == kForget) biases({kOpen, -20, 0.5, kOpen});
      if (gate == kCandidate) biases({kOpen, kShut, 0.25, kOpen});
      if (gate == kOutput) biases({kOpen, kShut, kOpen, 0});
      network.read_hidden(gate, gate == kForget ? 64 : gate == kCandidate ? 1 : 4);
      break;
    case Cell::gru:
      if (gate == kReset) {  // n = tanh(r b)
        biases({-2, kShut, 0});
        network.set_bias(network.layer(0, 0).hidden_bias, kNew, 1);
        network.read_hidden(kReset, 16);
      } else if (gate == kUpdate) {  // z = 1 holds the first step's h, z = 0 gives the n of x(t)
        biases({0, -20, 0});
        network.read_input(0, 0, kNew, 1);
        network.read_hidden(kUpdate, 64);
      } else {
        biases({kOpen, kShut, 0.25});
        network.read_hidden(kNew, 1);
      }
      break;
  }
  return network;
}

std::vector<double> RecurrentNetwork::hidden_input(const RecurrentShape& shape) {
  std::vector<double> x(static_cast<std::size_t>(shape.steps * shape.batch * shape.hidden), 0.5);
  std::fill_n(x.begin(), static_cast<std::size_t>(shape.batch * shape.hidden), 2.0);
  return x;
}

double RecurrentNetwork::constant_level(Cell cell) { return cell == Cell::lstm ? std::tanh(1.0) : 1.0; }

double RecurrentNetwork::read(Cell cell, double v) {
  switch (cell) {
    case Cell::rnn: return std::max(kGain * v, 0.0);
    case Cell::lstm: return std::tanh(std::tanh(kGain * v));
    case Cell::gru: return std::tanh(kGain * v);
  }
  return 0;
}

void RecurrentNetwork::set_bias(std::vector<double>& bias, std::size_t gate, double value) const {
  const auto hidden = static_cast<std::size_t>(shape_.hidden);
  std::fill_n(bias.begin() + static_cast<std::ptrdiff_t>(gate * hidden), hidden, value);
}

void RecurrentNetwork::read_input(std::int64_t l, std::int64_t direction, std::size_t gate, double gain) {
  const auto hidden = static_cast<std::size_t>(shape_.hidden),
             inputs = static_cast<std::size_t>(inputs_of(l));
  const std::size_t first = l == 0 ? 0 : static_cast<std::size_t>(direction) * hidden;
  for (std::size_t j = 0; j < hidden; ++j)
    layer(l, direction).input[(gate * hidden + j) * inputs + first + j] = gain;
}

void RecurrentNetwork::read_hidden(std::size_t gate, double gain) {
  const auto hidden = static_cast<std::size_t>(shape_.hidden);
  for (std::size_t j = 0; j < hidden; ++j) layer(0, 0).hidden[(gate * hidden + j) * hidden + j] = gain;
}

void RecurrentNetwork::make_constant(std::int64_t l) {
  for (std::int64_t d = 0; d < shape_.directions(); ++d) {
    std::vector<double>& bias = layer(l, d).input_bias;
    if (cell_ == Cell::rnn) set_bias(bias, 0, 1);
    if (cell_ == Cell::lstm)
      for (const std::size_t gate : {kInput, kForget, kCandidate, kOutput})
        set_bias(bias, gate, gate == kForget ? kShut : kOpen);
    if (cell_ == Cell::gru) {
      set_bias(bias, kUpdate, kShut);
      set_bias(bias, kNew, kOpen);
    }
  }
}

void RecurrentNetwork::make_reading(std::int64_t l) {
  for (std::int64_t d = 0; d < shape_.directions(); ++d) {
    std::vector<double>& bias = layer(l, d).input_bias;
    if (cell_ == Cell::rnn) read_input(l, d, 0, kGain);
    if (cell_ == Cell::lstm) {
      for (const std::size_t gate : {kInput, kForget, kOutput})
        set_bias(bias, gate, gate == kForget ? kShut : kOpen);
      read_input(l, d, kCandidate, kGain);
    }
    if (cell_ == Cell::gru) {
      set_bias(bias, kUpdate, kShut);
      read_input(l, d, kNew, kGain);
    }
  }
}

Step RecurrentNetwork::step(double p, Mode mode) const {
  Problem problem = problem_of(p, {shape_.steps, shape_.batch, shape_.hidden});
  problem.mode = mode;
  const auto rows = static_cast<std::int64_t>(gates_of(cell_)) * shape_.hidden;
  std::vector<ExtraTensor> parameters;
  for (std::int64_t l = 0; l < shape_.layers; ++l)
    for (std::int64_t d = 0; d < shape_.directions(); ++d) {
      const Layer& numbers = layers_[static_cast<std::size_t>(l * shape_.directions() + d)];
      const std::string suffix = fmt::format("_l{}{}", l, d == 1 ? "_reverse" : "");
      const auto add = [&](const char* name, std::vector<std::int64_t> shape, const std::vector<double>& v) {
        parameters.push_back({.name = name + suffix, .shape = std::move(shape), .values = v});
      };
      add("weight_ih", {rows, inputs_of(l)}, numbers.input);
      add("weight_hh", {rows, shape_.hidden}, numbers.hidden);
      add("bias_ih", {rows}, numbers.input_bias);
      add("bias_hh", {rows}, numbers.hidden_bias);
    }
  Step asked = given(seeded_step(problem), form_name(cell_), std::move(parameters));
  asked.output_shape = {{shape_.steps, shape_.batch, shape_.width()}};
  asked.outputs = {{"h_n", {shape_.layers * shape_.directions(), shape_.batch, shape_.hidden}}};
  asked.attributes["hidden"] = shape_.hidden;
  asked.attributes["layers"] = shape_.layers;
  asked.attributes["bidirectional"] = shape_.bidirectional;
  return asked;
}

}  // namespace dropcheck::suites::embedding
