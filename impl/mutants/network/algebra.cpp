#include "impl/mutants/network/algebra.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <span>

#include "harness/core/invariant.hpp"

namespace dropcheck::mutants {
namespace {

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

auto matrix(const double* data, std::size_t rows, std::size_t columns) {
  return Eigen::Map<const RowMajor>(data, static_cast<Eigen::Index>(rows),
                                    static_cast<Eigen::Index>(columns));
}

}  // namespace

Array linear(const Array& x, const Array& weight, const Array& bias) {
  return linear(x, weight, bias, {0, static_cast<std::size_t>(weight.shape[0])});
}

Array linear(const Array& x, const Array& weight, const Array& bias, Rows rows) {
  DROPCHECK_CHECK(weight.shape.size() == 2 && x.shape.back() == weight.shape[1]);
  const auto inputs = static_cast<std::size_t>(weight.shape[1]);
  const std::size_t samples = x.values.size() / inputs;
  Shape shape = x.shape;
  shape.back() = static_cast<std::int64_t>(rows.count);
  Array y(std::move(shape));
  Eigen::Map<RowMajor> out(y.values.data(), static_cast<Eigen::Index>(samples),
                           static_cast<Eigen::Index>(rows.count));
  out.noalias() = matrix(x.values.data(), samples, inputs) *
                  matrix(weight.values.data() + rows.first * inputs, rows.count, inputs).transpose();
  out.rowwise() += matrix(bias.values.data() + rows.first, 1, rows.count).row(0);
  return y;
}

void relu(Array& x) {
  for (double& value : x.values) value = value < 0 ? 0 : value;
}

void softmax_rows(Array& x, std::size_t width) {
  for (std::size_t at = 0; at < x.values.size(); at += width) {
    const std::span<double> row(x.values.data() + at, width);
    const double largest = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (double& value : row) sum += value = std::exp(value - largest);
    for (double& value : row) value /= sum;
  }
}

void layer_norm(Array& x, const Array& gain, const Array& shift) {
  const std::size_t width = gain.values.size();
  for (std::size_t at = 0; at < x.values.size(); at += width) {
    const std::span<double> row(x.values.data() + at, width);
    double mean = 0, variance = 0;
    for (const double value : row) mean += value / static_cast<double>(width);
    for (const double value : row) variance += (value - mean) * (value - mean) / static_cast<double>(width);
    const double scale = 1.0 / std::sqrt(variance + kNormEpsilon);
    for (std::size_t i = 0; i < width; ++i)
      row[i] = (row[i] - mean) * scale * gain.values[i] + shift.values[i];
  }
}

void add(Array& a, const Array& b) {
  DROPCHECK_CHECK(a.shape == b.shape);
  for (std::size_t i = 0; i < a.values.size(); ++i) a.values[i] += b.values[i];
}

}  // namespace dropcheck::mutants
