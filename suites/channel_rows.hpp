#pragma once
// The entries of a mask, sorted by channel: one row of packed bits for each.

#include <cstdint>
#include <span>
#include <vector>

#include "harness/core/mask_bits.hpp"

namespace dropcheck::suites {

class ChannelRows {
 public:
  /// More channels than this are left out: pairs grow with their square.
  static constexpr std::size_t kMostChannels = 256;

  /// Of a mask of this shape; dimension 1 is that of the channels. Fewer than two dimensions: no channels.
  explicit ChannelRows(const std::vector<std::int64_t>& mask_shape);

  std::size_t channels() const { return used_; }
  /// Entries that one mask has for each channel.
  std::uint64_t entries() const { return outer_ * inner_; }
  /// Rows one after the other, (entries() + 63) / 64 words each, in logical order of the entries; bits past
  /// entries() are 0. Valid until the next call.
  std::span<const std::uint64_t> split(const MaskBits& mask);

 private:
  void split_single(std::span<const std::uint64_t> words);  // inner_ = 1: a transposition
  void split_runs(std::span<const std::uint64_t> words);

  std::uint64_t outer_ = 0, channels_ = 0, inner_ = 0;
  std::size_t used_ = 0;
  std::vector<std::uint64_t> rows_;
};

}  // namespace dropcheck::suites
