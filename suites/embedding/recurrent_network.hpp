#pragma once
// Recurrent networks of two kinds of layers. A constant one puts out the same number everywhere, whatever
// comes in. A reading one puts out a function of the one number that comes in at its feature, which is 0 for
// 0: where dropout has made a zero, a zero stands in the result.

#include <string>
#include <vector>

#include "reference/pytorch_cpu_stream.hpp"
#include "suites/dialects/row.hpp"

namespace dropcheck::suites::embedding {

enum class Cell : std::uint8_t { rnn, lstm, gru };
inline constexpr Cell kCells[] = {Cell::rnn, Cell::lstm, Cell::gru};
const char* form_name(Cell cell);
/// 1, 4 (input, forget, candidate, output) or 3 (reset, update, candidate): PyTorch's order.
std::size_t gates_of(Cell cell);
const char* gate_name(Cell cell, std::size_t gate);

struct RecurrentShape {
  std::int64_t steps, batch, hidden, layers;
  bool bidirectional = false;
  std::int64_t directions() const { return bidirectional ? 2 : 1; }
  std::int64_t width() const { return hidden * directions(); }  // features of y
  reference::RecurrentShape counted() const;
};

/// Parameters of a network whose input has `hidden` features, all zero to begin with.
class RecurrentNetwork {
 public:
  RecurrentNetwork(Cell cell, RecurrentShape shape);

  /// Layers before `first_reading` are constant, the others read with kGain.
  static RecurrentNetwork reading_from(Cell cell, RecurrentShape shape, std::int64_t first_reading);
  /// One layer that shows, from the second step on, which elements of h(t - 1) reach that gate; a dropped one
  /// shows as the number that it has when all are. x must be `hidden_input`.
  static RecurrentNetwork reading_hidden(Cell cell, RecurrentShape shape, std::size_t gate);
  static std::vector<double> hidden_input(const RecurrentShape& shape);

  static constexpr double kGain = 0.5;
  /// What a constant layer puts out.
  static double constant_level(Cell cell);
  /// What a reading layer makes of v.
  static double read(Cell cell, double v);

  /// A call with x of ones; y is (steps, batch, width), the further output h_n is asked for.
  Step step(double p, Mode mode = Mode::train) const;
  Cell cell() const { return cell_; }
  const RecurrentShape& shape() const { return shape_; }

 private:
  struct Layer {
    std::vector<double> input, hidden, input_bias, hidden_bias;
  };
  Layer& layer(std::int64_t l, std::int64_t direction) {
    return layers_[static_cast<std::size_t>(l * shape_.directions() + direction)];
  }
  std::int64_t inputs_of(std::int64_t l) const { return l == 0 ? shape_.hidden : shape_.width(); }
  void set_bias(std::vector<double>& bias, std::size_t gate, double value) const;
  /// Feature j of the gate reads element j of what comes in, of this direction's part.
  void read_input(std::int64_t l, std::int64_t direction, std::size_t gate, double gain);
  void read_hidden(std::size_t gate, double gain);
  void make_constant(std::int64_t l);
  void make_reading(std::int64_t l);

  Cell cell_;
  RecurrentShape shape_;
  std::vector<Layer> layers_;
};

}  // namespace dropcheck::suites::embedding
