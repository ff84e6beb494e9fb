#include "reference/layers/recurrent.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace dropcheck::reference {
namespace {

using ::testing::ElementsAre;

// All weights of a network of one feature are a; b, c and g are biases. Two time steps of one sequence.
constexpr double kX[2] = {0.5, -1.25};

double sigmoid(double v) { return 1 / (1 + std::exp(-v)); }

/// Masks by number of the place, and how many entries each place asked for.
struct Masks {
  std::vector<std::vector<std::uint8_t>> given;
  std::vector<std::int64_t> asked;
  LayerDropout dropout(double p, Mode mode = Mode::train) {
    return LayerDropout(p, mode, [this](std::int64_t entries) {
      asked.push_back(entries);
      return given.at(asked.size() - 1);
    });
  }
};

Matrix column(std::initializer_list<double> values) {
  Matrix made(static_cast<std::int64_t>(values.size()), 1);
  std::copy(values.begin(), values.end(), made.data());
  return made;
}

/// One feature; gate g has the input weight w[g] and the hidden weight v[g].
CellParameters scalar_cell(std::vector<double> w, std::vector<double> v, std::vector<double> b,
                           std::vector<double> c) {
  const auto gates = static_cast<std::int64_t>(w.size());
  CellParameters made{Matrix(gates, 1), Matrix(gates, 1), Row(gates), Row(gates)};
  for (std::int64_t g = 0; g < gates; ++g) {
    const auto at = static_cast<std::size_t>(g);
    made.input(g, 0) = w[at];
    made.hidden(g, 0) = v[at];
    made.input_bias(g) = b[at];
    made.hidden_bias(g) = c[at];
  }
  return made;
}

RecurrentNetwork scalar_network(Cell cell, DropoutKind kind, std::vector<CellParameters> layers) {
  RecurrentNetwork network{.cell = cell, .kind = kind, .steps = 2, .batch = 1, .layers = {}};
  for (CellParameters& layer : layers) network.layers.push_back({std::move(layer)});
  return network;
}

CellParameters some_rnn() { return scalar_cell({0.75}, {-0.5}, {1}, {0.125}); }
CellParameters some_lstm() {
  return scalar_cell({0.5, -1, 2, 0.25}, {1, 0.5, -0.75, 3}, {0, 1, 0.5, -0.5}, {0.25, 0, 0, 0});
}
CellParameters some_gru() { return scalar_cell({1, -0.5, 2}, {0.5, 1.5, -1}, {0, 0.25, 0}, {0, 0, 0.75}); }

/// h(1) and h(2) by the formulas of the header, with the factor m[g] on what gate g reads of h(1).
std::vector<double> by_hand(Cell cell, const std::vector<double>& m) {
  std::vector<double> states;
  double h = 0, s = 0;
  for (const double x : kX) {
    const auto read = [&](std::size_t g) { return m[g] * h; };
    if (cell == Cell::rnn) {
      h = std::max(0.75 * x + 1 - 0.5 * read(0) + 0.125, 0.0);
    } else if (cell == Cell::lstm) {
      const double i = sigmoid(0.5 * x + read(0) + 0.25), f = sigmoid(-x + 1 + 0.5 * read(1)),
                   g = std::tanh(2 * x + 0.5 - 0.75 * read(2)), o = sigmoid(0.25 * x - 0.5 + 3 * read(3));
      s = f * s + i * g;
      h = o * std::tanh(s);
    } else {
      const double r = sigmoid(x + 0.5 * read(0)), z = sigmoid(-0.5 * x + 0.25 + 1.5 * read(1)),
                   n = std::tanh(2 * x + r * (-read(2) + 0.75));
      h = (1 - z) * n + z * h;
    }
    states.push_back(h);
  }
  return states;
}

CellParameters some_cell(Cell cell) {
  return cell == Cell::rnn ? some_rnn() : cell == Cell::lstm ? some_lstm() : some_gru();
}

void expect_near(const Matrix& y, const std::vector<double>& wanted) {
  ASSERT_EQ(static_cast<std::size_t>(y.size()), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(y.data()[i], wanted[i], 1e-15) << i;
}

class CellOf : public ::testing::TestWithParam<Cell> {};
INSTANTIATE_TEST_SUITE_P(All, CellOf, ::testing::Values(Cell::rnn, Cell::lstm, Cell::gru));

TEST_P(CellOf, IsItsFormulaWhereNothingIsDropped) {
  const std::vector<double> wanted = by_hand(GetParam(), {1, 1, 1, 1});
  for (const DropoutKind kind :
       {DropoutKind::layers, DropoutKind::variational, DropoutKind::input, DropoutKind::recurrent}) {
    for (const auto& [p, mode] : {std::pair{0.0, Mode::train}, std::pair{0.7, Mode::eval}}) {
      Masks none;
      LayerDropout dropout = none.dropout(p, mode);
      const RecurrentResult result = run_network(scalar_network(GetParam(), kind, {some_cell(GetParam())}),
                                                 column({kX[0], kX[1]}), dropout);
      expect_near(result.y, wanted);
      expect_near(result.states, {wanted[1]});
      EXPECT_THAT(none.asked, ElementsAre()) << "nothing is drawn";
    }
  }
}

TEST_P(CellOf, HasAMaskForEachGateOnTheStateThatItReads) {
  const auto gates = static_cast<std::size_t>(gates_of(GetParam()));
  for (std::size_t dropped = 0; dropped < gates; ++dropped) {
    Masks masks;
    masks.given.assign(gates, {1});
    masks.given[dropped] = {0};
    std::vector<double> factors(4, 1 / (1 - 0.25));
    factors[dropped] = 0;
    LayerDropout dropout = masks.dropout(0.25);
    const RecurrentResult result =
        run_network(scalar_network(GetParam(), DropoutKind::recurrent, {some_cell(GetParam())}),
                    column({kX[0], kX[1]}), dropout);
    expect_near(result.y, by_hand(GetParam(), factors));
    EXPECT_EQ(masks.asked, std::vector<std::int64_t>(gates, 1)) << "one draw for both time steps";
  }
}

TEST_P(CellOf, ReadsNothingOfTheStateBeforeWhereAllOfItIsDropped) {
  Masks none;
  LayerDropout dropout = none.dropout(1);
  const RecurrentResult result =
      run_network(scalar_network(GetParam(), DropoutKind::recurrent, {some_cell(GetParam())}),
                  column({kX[0], kX[1]}), dropout);
  expect_near(result.y, by_hand(GetParam(), {0, 0, 0, 0}));
  EXPECT_THAT(none.asked, ElementsAre());
}

// --- between layers and on inputs: layers that hand on what comes in, where it is positive

CellParameters handing_on() { return scalar_cell({1}, {0}, {0}, {0}); }

std::vector<double> handed_on(DropoutKind kind, std::size_t layers, Masks& masks, double p = 0.5) {
  RecurrentNetwork network =
      scalar_network(Cell::rnn, kind, std::vector<CellParameters>(layers, handing_on()));
  LayerDropout dropout = masks.dropout(p);
  const RecurrentResult result = run_network(network, column({1, 3}), dropout);
  return {result.y.data(), result.y.data() + result.y.size()};
}

TEST(DropoutBetweenLayers, IsDrawnForEachTimeStep) {
  Masks masks{{{1, 0}, {1, 1}}, {}};
  EXPECT_THAT(handed_on(DropoutKind::layers, 3, masks), ElementsAre(4, 0));
  EXPECT_THAT(masks.asked, ElementsAre(2, 2)) << "after the first and the second layer, not after the last";
}

TEST(DropoutBetweenLayers, IsDrawnOnceForASequenceWhereItIsVariational) {
  Masks masks{{{1}, {1}}, {}};
  EXPECT_THAT(handed_on(DropoutKind::variational, 3, masks), ElementsAre(4, 12));
  EXPECT_THAT(masks.asked, ElementsAre(1, 1));
  Masks dropped{{{1}, {0}}, {}};
  EXPECT_THAT(handed_on(DropoutKind::variational, 3, dropped), ElementsAre(0, 0));
}

TEST(DropoutBetweenLayers, OfInputsStandsBeforeTheFirstLayerToo) {
  Masks masks{{{1}, {1}}, {}};
  EXPECT_THAT(handed_on(DropoutKind::input, 2, masks), ElementsAre(4, 12));
  EXPECT_THAT(masks.asked, ElementsAre(1, 1));
  Masks dropped{{{0}}, {}};
  EXPECT_THAT(handed_on(DropoutKind::input, 1, dropped), ElementsAre(0, 0));
}

TEST(DropoutBetweenLayers, HasNoPlaceInOneLayer) {
  for (const DropoutKind kind : {DropoutKind::layers, DropoutKind::variational}) {
    Masks none;
    EXPECT_THAT(handed_on(kind, 1, none), ElementsAre(1, 3));
    EXPECT_THAT(none.asked, ElementsAre());
  }
}

TEST(DropoutBetweenLayers, DropsEverythingWhereAllIsDroppedAndDrawsNothing) {
  Masks none;
  EXPECT_THAT(handed_on(DropoutKind::layers, 2, none, 1), ElementsAre(0, 0));
  EXPECT_THAT(none.asked, ElementsAre());
}

TEST(DropoutBetweenLayers, ComesAfterTheStatesAreTaken) {
  Masks masks{{{0, 0}}, {}};
  LayerDropout dropout = masks.dropout(0.5);
  const RecurrentResult result = run_network(
      scalar_network(Cell::rnn, DropoutKind::layers, {handing_on(), handing_on()}), column({1, 3}), dropout);
  expect_near(result.states, {3, 0});
}

TEST(DropoutBetweenLayers, HasAMaskForEachSequenceAndFeature) {
  // Two sequences, two features that are handed on, one time step.
  const CellParameters both{Matrix::Identity(2, 2), Matrix::Zero(2, 2), Row::Zero(2), Row::Zero(2)};
  RecurrentNetwork network{
      .cell = Cell::rnn, .kind = DropoutKind::layers, .steps = 1, .batch = 2, .layers = {{both}, {both}}};
  Masks masks{{{1, 0, 0, 1}}, {}};
  LayerDropout dropout = masks.dropout(0.5);
  const RecurrentResult result = run_network(network, (Matrix(2, 2) << 1, 2, 3, 4).finished(), dropout);
  expect_near(result.y, {2, 0, 0, 8});
  expect_near(result.states, {1, 2, 3, 4, 2, 0, 0, 8});
}

TEST(SecondDirection, RunsFromTheLastTimeStepAndStandsBehindTheFirst) {
  // h(t) = relu(x(t) + h before): sums from the front and from the back.
  const CellParameters sum = scalar_cell({1}, {1}, {0}, {0});
  RecurrentNetwork network{
      .cell = Cell::rnn, .kind = DropoutKind::layers, .steps = 2, .batch = 1, .layers = {{sum, sum}}};
  Masks none;
  LayerDropout dropout = none.dropout(0);
  const RecurrentResult result = run_network(network, column({1, 3}), dropout);
  expect_near(result.y, {1, 4, 4, 3});
  expect_near(result.states, {4, 4});
}

}  // namespace
}  // namespace dropcheck::reference
