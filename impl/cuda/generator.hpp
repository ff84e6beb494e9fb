#pragma once
// Where a context stands in its random stream, and the draw of one call.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "impl/cuda/configuration.hpp"

namespace dropcheck::cuda {

/// All that a mask depends on besides seed and position.
struct DrawShape {
  double p = 0;  // 0 < p < 1
  DType dtype = DType::f32;
  std::uint64_t entries = 0;  // above 0
  bool fused = false;         // PyTorch's fused kernel; else bernoulli_
  unsigned vec = 1;           // of PyTorch's kernel
};

/// Names a call's draw, so that it can be made again.
struct Draw {
  DrawShape shape;
  std::uint64_t seed = 0;
  std::uint64_t position = 0;
};

class Generator {
 public:
  explicit Generator(const Configuration& configuration) : configuration_(configuration) {}

  /// Seeds where there is a seed, then moves by `offset`: calls for dropcheck-philox, 32-bit words for
  /// pytorch-cuda, which takes multiples of 4 only and throws plugin::InvalidArgument otherwise.
  void begin_call(std::optional<std::uint64_t> seed, std::uint64_t offset);
  /// The next draw; moves on by what it takes.
  Draw next(const DrawShape& shape);
  /// Generator words that it takes, as the stream's document counts them.
  std::uint64_t words(const DrawShape& shape) const;
  /// Probability that an entry is dropped, for p in [0, 1].
  double rate(double p, DType dtype) const;
  /// Puts the draw's stream into the request.
  void fill(const Draw& draw, Request& request) const;

  std::vector<std::byte> save() const;
  /// Throws plugin::InvalidArgument for what save did not return.
  void load(std::span<const std::byte> state);

 private:
  Configuration configuration_;
  std::uint64_t seed_ = 0;
  std::uint64_t position_ = 0;
};

}  // namespace dropcheck::cuda
