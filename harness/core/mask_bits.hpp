#pragma once
// Packed drop bits in logical (row-major) index order: bit 1 = DROPPED. (A backend's own mask has 1 = kept.)

#include <cstdint>
#include <span>
#include <vector>

#include "harness/core/tensor.hpp"

namespace dropcheck {

class MaskBits {
 public:
  MaskBits() = default;
  explicit MaskBits(std::uint64_t size) : size_(size), words_((size + 63) / 64, 0) {}

  std::uint64_t size() const { return size_; }
  /// Words of 64 bits, least significant bit first. Bits past size() in the last word are 0.
  std::span<const std::uint64_t> words() const { return words_; }
  std::span<std::uint64_t> words() { return words_; }
  /// Bits used in the last word, 1 to 64; 0 when empty.
  unsigned tail_length() const { return size_ == 0 ? 0 : static_cast<unsigned>((size_ - 1) % 64 + 1); }

  bool operator[](std::uint64_t i) const { return ((words_[i / 64] >> (i % 64)) & 1u) != 0; }
  void set(std::uint64_t i) { words_[i / 64] |= std::uint64_t{1} << (i % 64); }
  /// Number of dropped entries.
  std::uint64_t count() const;

  friend bool operator==(const MaskBits&, const MaskBits&) = default;

 private:
  std::uint64_t size_ = 0;
  std::vector<std::uint64_t> words_;
};

/// Number of positions at which the two masks differ. Sizes must be equal.
std::uint64_t hamming_distance(const MaskBits& a, const MaskBits& b);

/// Drop bits read off an output whose input had no zero: an element is dropped when it is +0 or -0 or, for
/// the alpha operators with inputs >= 1, when it is negative (the dropped value is negative and every kept
/// one positive for p < 1).
MaskBits drop_bits_of_output(Op op, const TensorView& output);
struct OutputBits {
  MaskBits drops;             // as drop_bits_of_output
  bool any_all_ones = false;  // an element, or a gap between elements, has all its bits set
};
OutputBits read_output(Op op, const TensorView& output);
/// The same in the order of the elements' addresses, whatever gaps there are between them.
MaskBits drop_bits_in_memory_order(Op op, const TensorView& output);

/// One bit a channel of a mask over the elements of `shape`: that of the channel's first element.
struct ChannelBits {
  MaskBits bits;
  std::uint64_t mixed_channels = 0;  // channels with both dropped and kept elements
};
ChannelBits channel_bits(const MaskBits& elements, std::span<const std::int64_t> shape);

}  // namespace dropcheck
