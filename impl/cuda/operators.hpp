#pragma once
// The six operators, as far as a mask depends on them.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "impl/cuda/task.hpp"

namespace dropcheck::cuda {

struct Operator {
  bool channels = false;  // drops whole channels
  bool alpha = false;
  bool plain() const { return !channels && !alpha; }
};

/// Throws plugin::Unsupported for another name.
Operator operator_of(std::string_view name);

enum class Action : std::uint8_t { copy, zero, drop };

/// Mask entries of a tensor that is not empty, and elements in a row that share one. Channels are counted
/// over the first two dimensions, which must be there.
std::uint64_t entries_of(Operator op, std::span<const std::int64_t> shape);
std::uint64_t per_entry_of(Operator op, std::span<const std::int64_t> shape);

/// 0, 1, ... rank - 1.
std::vector<int> logical_order(std::size_t rank);

/// Throws plugin::Unsupported where the stream pytorch-cuda does not say how bernoulli_ fills such noise:
/// f64, and tensors that PyTorch splits to index them with 32 bits (ATen/TensorIterator.cpp,
/// can_use_32bit_indexing).
void check_noise(DType dtype, std::uint64_t entries);

}  // namespace dropcheck::cuda
