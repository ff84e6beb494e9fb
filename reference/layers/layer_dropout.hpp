#pragma once
// The dropout inside a layer during one call.

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "harness/core/vocabulary.hpp"
#include "reference/layers/matrix.hpp"

namespace dropcheck::reference {

class LayerDropout {
 public:
  /// The next mask of the stream: one byte an entry, 1 = kept.
  using Draw = std::function<std::vector<std::uint8_t>(std::int64_t entries)>;

  /// p is in [0, 1].
  LayerDropout(double p, Mode mode, Draw draw) : p_(mode == Mode::train ? p : 0.0), draw_(std::move(draw)) {}

  /// What the entries of the next place are multiplied by: 0 where they are dropped, 1 / (1 - p) where they
  /// are kept. Each call is a place of its own with a mask of its own, taken in row-major order. As with the
  /// operator, nothing is drawn in eval mode and where p is 0 (all factors are 1) or 1 (all are 0).
  Matrix factors(std::int64_t rows, std::int64_t columns) {
    if (p_ == 0.0) return Matrix::Ones(rows, columns);
    if (p_ == 1.0) return Matrix::Zero(rows, columns);
    const std::vector<std::uint8_t> kept = draw_(rows * columns);
    Matrix made(rows, columns);
    for (std::int64_t i = 0; i < made.size(); ++i)
      made.data()[i] = kept[static_cast<std::size_t>(i)] != 0 ? 1.0 / (1.0 - p_) : 0.0;
    return made;
  }

 private:
  double p_;
  Draw draw_;
};

}  // namespace dropcheck::reference
