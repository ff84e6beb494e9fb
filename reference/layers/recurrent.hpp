#pragma once
// Recurrent networks and where their dropout stands, as formulas in double. Cells are those of
// torch.nn.RNN(nonlinearity='relu'), LSTM and GRU, with x(t) the input and h(t) the state of time step t:
//   rnn   h(t) = relu(W x(t) + b + V h(t-1) + c)
//   lstm  i, f, o = sigmoid and g = tanh of W x(t) + b + V h(t-1) + c, each with its own rows;
//         s(t) = f s(t-1) + i g, h(t) = o tanh(s(t))
//   gru   r, z = sigmoid(W x(t) + b + V h(t-1) + c); n = tanh(W x(t) + b + r (V h(t-1) + c));
//         h(t) = (1 - z) n + z h(t-1)
// h(-1) and s(-1) are 0. Products of vectors are elementwise.

#include <cstdint>
#include <vector>

#include "reference/layers/layer_dropout.hpp"

namespace dropcheck::reference {

enum class Cell : std::uint8_t { rnn, lstm, gru };
/// 1; 4: input, forget, cell, output; 3: reset, update, new.
std::int64_t gates_of(Cell cell);

/// Where something is dropped (docs/attributes.md, dropout_kind).
enum class DropoutKind : std::uint8_t {
  layers,       // what a layer but the last puts out, anew at each time step
  variational,  // the same, with one mask for all time steps
  input,        // what comes into a layer, the first one included, with one mask for all time steps
  recurrent,    // h(t-1) where a gate reads it: one mask a gate for all time steps. The z h(t-1) of a gru and
                // the s(t-1) of an lstm are carried over as they are
};

/// Of one direction of a layer with I inputs, H features and G gates, whose rows follow one another.
struct CellParameters {
  Matrix input;     // W: (G H, I)
  Matrix hidden;    // V: (G H, H)
  Row input_bias;   // b: G H
  Row hidden_bias;  // c: G H
};

struct RecurrentNetwork {
  Cell cell = Cell::rnn;
  DropoutKind kind = DropoutKind::layers;
  std::int64_t steps = 0, batch = 0;                // S, B
  std::vector<std::vector<CellParameters>> layers;  // by layer, then by direction: one, or two
};

struct RecurrentResult {
  Matrix y;       // (S B, directions H): time by time, forward features before backward ones
  Matrix states;  // (layers directions B, H): h after the last time step, for the second direction the first
};

/// x is (S B, I), time by time. Places draw in this order: layer by layer, in it direction by direction, and
/// for `recurrent` gate by gate. A mask of `layers` has S B rows, the others have one a sequence of the
/// batch.
RecurrentResult run_network(const RecurrentNetwork& network, Matrix x, LayerDropout& dropout);

}  // namespace dropcheck::reference
