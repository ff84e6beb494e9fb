#include "reference/layers/recurrent.hpp"

#include "harness/core/invariant.hpp"

namespace dropcheck::reference {
namespace {

Matrix sigmoid(const Matrix& v) { return (1.0 + (-v.array()).exp()).inverse().matrix(); }
Matrix tanh_of(const Matrix& v) { return v.array().tanh().matrix(); }

/// Multiplies the B rows of every time step by the same factors.
void multiply_each_step(Matrix& sequence, const Matrix& factors) {
  for (std::int64_t row = 0; row < sequence.rows(); row += factors.rows())
    sequence.middleRows(row, factors.rows()).array() *= factors.array();
}

/// One direction of a layer, step by step.
class CellRun {
 public:
  /// `on_hidden`: for each gate the factors of h(t-1), (B, H); empty for none.
  CellRun(Cell cell, const CellParameters& parameters, std::vector<Matrix> on_hidden, std::int64_t batch)
      : cell_(cell),
        parameters_(parameters),
        on_hidden_(std::move(on_hidden)),
        h_(Matrix::Zero(batch, parameters.hidden.cols())),
        s_(h_) {}

  const Matrix& state() const { return h_; }

  /// x is (B, I).
  void step(const Matrix& x) {
    switch (cell_) {
      case Cell::rnn: h_ = relu(of_input(x, 0) + of_hidden(0)); break;
      case Cell::lstm: {
        const Matrix i = sigmoid(of_input(x, 0) + of_hidden(0)), f = sigmoid(of_input(x, 1) + of_hidden(1)),
                     g = tanh_of(of_input(x, 2) + of_hidden(2)), o = sigmoid(of_input(x, 3) + of_hidden(3));
        s_ = f.cwiseProduct(s_) + i.cwiseProduct(g);
        h_ = o.cwiseProduct(tanh_of(s_));
        break;
      }
      case Cell::gru: {
        const Matrix r = sigmoid(of_input(x, 0) + of_hidden(0)), z = sigmoid(of_input(x, 1) + of_hidden(1)),
                     n = tanh_of(of_input(x, 2) + r.cwiseProduct(of_hidden(2)));
        h_ = ((1.0 - z.array()) * n.array() + z.array() * h_.array()).matrix();
        break;
      }
    }
  }

 private:
  /// W x(t) + b of one gate, (B, H).
  Matrix of_input(const Matrix& x, std::int64_t gate) const {
    const std::int64_t h = h_.cols();
    return (x * parameters_.input.middleRows(gate * h, h).transpose()).rowwise() +
           parameters_.input_bias.segment(gate * h, h);
  }
  /// V h(t-1) + c of one gate, (B, H).
  Matrix of_hidden(std::int64_t gate) const {
    const std::int64_t h = h_.cols();
    Matrix before = h_;
    if (!on_hidden_.empty()) before.array() *= on_hidden_[static_cast<std::size_t>(gate)].array();
    return (before * parameters_.hidden.middleRows(gate * h, h).transpose()).rowwise() +
           parameters_.hidden_bias.segment(gate * h, h);
  }

  Cell cell_;
  const CellParameters& parameters_;
  std::vector<Matrix> on_hidden_;
  Matrix h_, s_;
};

}  // namespace

std::int64_t gates_of(Cell cell) { return cell == Cell::rnn ? 1 : cell == Cell::lstm ? 4 : 3; }

RecurrentResult run_network(const RecurrentNetwork& network, Matrix x, LayerDropout& dropout) {
  DROPCHECK_CHECK(!network.layers.empty() && !network.layers.front().empty() &&
                  x.rows() == network.steps * network.batch);
  const std::int64_t steps = network.steps, batch = network.batch,
                     hidden = network.layers.front().front().hidden.cols(),
                     directions = static_cast<std::int64_t>(network.layers.front().size());
  RecurrentResult result;
  result.states.resize(static_cast<std::int64_t>(network.layers.size()) * directions * batch, hidden);
  std::int64_t at = 0;  // row of `states`
  for (std::size_t l = 0; l < network.layers.size(); ++l) {
    if (network.kind == DropoutKind::input) multiply_each_step(x, dropout.factors(batch, x.cols()));
    Matrix y(steps * batch, directions * hidden);
    for (std::int64_t d = 0; d < directions; ++d, at += batch) {
      std::vector<Matrix> on_hidden;
      if (network.kind == DropoutKind::recurrent)
        for (std::int64_t gate = 0; gate < gates_of(network.cell); ++gate)
          on_hidden.push_back(dropout.factors(batch, hidden));
      CellRun run(network.cell, network.layers[l][static_cast<std::size_t>(d)], std::move(on_hidden), batch);
      for (std::int64_t k = 0; k < steps; ++k) {
        const std::int64_t t = d == 0 ? k : steps - 1 - k;
        run.step(x.middleRows(t * batch, batch));
        y.block(t * batch, d * hidden, batch, hidden) = run.state();
      }
      result.states.middleRows(at, batch) = run.state();
    }
    x = std::move(y);
    if (l + 1 == network.layers.size()) break;
    if (network.kind == DropoutKind::layers) x.array() *= dropout.factors(x.rows(), x.cols()).array();
    if (network.kind == DropoutKind::variational) multiply_each_step(x, dropout.factors(batch, x.cols()));
  }
  result.y = std::move(x);
  return result;
}

}  // namespace dropcheck::reference
