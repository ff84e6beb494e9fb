#include "impl/mutants/relu_rnn.hpp"

#include <vector>

#include "harness/core/element.hpp"

namespace dropcheck::mutants {
namespace {

/// Number k of a parameter.
double weight(RnnWeights weights, std::size_t k) {
  return weights == RnnWeights::ones ? 1.0 : (static_cast<double>(k % 7) - 3.0) / 16.0;
}

/// Row `row` of a weight matrix with as many columns as the vector has elements, times the vector.
double row_times(RnnWeights weights, std::size_t row, const double* vector, std::size_t columns) {
  double sum = 0;
  for (std::size_t i = 0; i < columns; ++i) sum += weight(weights, row * columns + i) * vector[i];
  return sum;
}

std::vector<double> values_of(const TensorView& view) {
  const std::size_t size = view.element_size();
  std::vector<std::byte> bytes(static_cast<std::size_t>(view.count()) * size);
  gather(view, bytes.data());
  std::vector<double> values;
  for (std::size_t at = 0; at < bytes.size(); at += size)
    values.push_back(load_element(bytes.data() + at, view.dtype));
  return values;
}

void store(const double* values, const TensorView& view) {
  const std::size_t size = view.element_size();
  std::vector<std::byte> bytes(static_cast<std::size_t>(view.count()) * size);
  for (std::size_t at = 0; at < bytes.size(); at += size, ++values)
    store_element(*values, bytes.data() + at, view.dtype);
  scatter(bytes.data(), view);
}

}  // namespace

void run_relu_rnn(const TensorView& x, RnnWeights weights, const TensorView& y, const TensorView& h_n) {
  const auto batch = static_cast<std::size_t>(x.shape[1]), inputs = static_cast<std::size_t>(x.shape[2]);
  const auto hidden = static_cast<std::size_t>(y.shape[2]);
  const std::size_t rows = static_cast<std::size_t>(x.shape[0]) * batch;  // states, one a step and sample
  const std::vector<double> in = values_of(x);
  const std::vector<double> start(hidden, 0.0);
  std::vector<double> states(rows * hidden);
  for (std::size_t row = 0; row < rows; ++row) {
    const double* before = row < batch ? start.data() : &states[(row - batch) * hidden];
    for (std::size_t h = 0; h < hidden; ++h) {
      const double sum =
          row_times(weights, h, in.data() + row * inputs, inputs) + row_times(weights, h, before, hidden);
      states[row * hidden + h] = round_to(sum < 0 ? 0 : sum, y.dtype);
    }
  }
  store(states.data(), y);
  if (h_n.data != nullptr) store(states.data() + (rows - batch) * hidden, h_n);
}

}  // namespace dropcheck::mutants
