#pragma once
// Cuts the mask entries of a block's calls, one after the other, into chunks.

#include <functional>
#include <vector>

#include "harness/core/chunk.hpp"
#include "harness/core/mask_bits.hpp"

namespace dropcheck {

class Chunker {
 public:
  /// `sink` sees every chunk once, in order; what it is lent is valid during its call only.
  Chunker(Order order, std::uint64_t block, std::function<void(const Chunk&)> sink)
      : sink_(std::move(sink)), order_(order), block_(block) {}

  /// Appends one call's entries; `p` is the drop probability that the chunks completed by it are tested for.
  void append(const MaskBits& bits, double p);
  /// Hands over what is left at the end of the block.
  void finish();

 private:
  void emit(std::span<const std::uint64_t> words, std::uint64_t size);

  std::function<void(const Chunk&)> sink_;
  Order order_;
  std::uint64_t block_;
  std::uint64_t index_ = 0;
  double p_ = 0;
  std::vector<std::uint64_t> pending_;  // the beginning of a chunk, when calls are not whole chunks
  std::uint64_t pending_size_ = 0;
};

}  // namespace dropcheck
