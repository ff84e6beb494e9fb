#pragma once
// Numbers of a layer: dense, row-major, in double.

#include <Eigen/Core>

namespace dropcheck::reference {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Row = Eigen::RowVectorXd;

/// max(v, 0) of each number; a NaN stays.
inline Matrix relu(const Matrix& v) {
  return v.unaryExpr([](double number) { return number < 0.0 ? 0.0 : number; });
}

/// x W' + b, row by row.
inline Matrix linear(const Matrix& x, const Matrix& weight, const Row& bias) {
  return (x * weight.transpose()).rowwise() + bias;
}

}  // namespace dropcheck::reference
