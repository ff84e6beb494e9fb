#pragma once
// The tensors that backends are given. They depend on the kind, size and dtype only, so every call of a
// sample sees the same numbers, and so does every backend.

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "harness/core/sample.hpp"
#include "harness/core/tensor.hpp"

namespace dropcheck {

struct InputData {
  std::vector<std::byte> elements;    // dense, in logical order; may be left out where there are integers
  std::vector<std::int8_t> integers;  // the same as numbers; empty for inputs that are not integers
};

/// Elements of `problem`'s shape and dtype. For the alpha operators every integer is positive. Without
/// `elements` an input of integers has those only, which scatter_integers() turns into elements in their
/// place.
InputData make_input(Input kind, const Problem& problem, bool elements = true);

/// Writes integers given in logical order to where the view has its elements, which are of a floating dtype.
void scatter_integers(std::span<const std::int8_t> integers, const TensorView& tensor);

/// Inputs made before, the latest used first, as many as fit a bound. Problems that differ in what make_input
/// does not depend on share one. Safe to use from several threads.
class InputCache {
 public:
  explicit InputCache(std::size_t most_bytes = kMostBytes) : most_bytes_(most_bytes) {}
  std::shared_ptr<const InputData> of(Input kind, const Problem& problem, bool elements = true);

  static constexpr std::size_t kMostBytes = std::size_t{1} << 26;

 private:
  struct Entry {
    Input kind;
    bool elements;
    Problem key;
    std::shared_ptr<const InputData> data;
  };
  const std::size_t most_bytes_;
  std::mutex mutex_;
  std::list<Entry> entries_;
};

}  // namespace dropcheck
