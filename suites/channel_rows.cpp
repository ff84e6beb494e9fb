#include "suites/channel_rows.hpp"

#include <algorithm>
#include <array>

namespace dropcheck::suites {
namespace {

/// 64 bits from any position; what lies past the words reads as 0.
std::uint64_t bits_from(std::span<const std::uint64_t> words, std::uint64_t at) {
  const std::uint64_t w = at / 64, shift = at % 64;
  if (w >= words.size()) return 0;
  std::uint64_t value = words[w] >> shift;
  if (shift != 0 && w + 1 < words.size()) value |= words[w + 1] << (64 - shift);
  return value;
}

std::uint64_t low_bits(std::uint64_t count) {
  return count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
}

/// Bit j of word i changes places with bit i of word j: halves of halves are swapped (H. S. Warren, "Hacker's
/// Delight", 2002, section 7-3).
void transpose(std::array<std::uint64_t, 64>& block) {
  std::uint64_t mask = 0x00000000ffffffffu;
  for (std::size_t j = 32; j != 0; j /= 2, mask ^= mask << j) {
    for (std::size_t k = 0; k < 64; k = (k + j + 1) & ~j) {
      const std::uint64_t swapped = ((block[k] >> j) ^ block[k + j]) & mask;
      block[k] ^= swapped << j;
      block[k + j] ^= swapped;
    }
  }
}

}  // namespace

ChannelRows::ChannelRows(const std::vector<std::int64_t>& mask_shape) {
  if (mask_shape.size() < 2) return;
  outer_ = static_cast<std::uint64_t>(mask_shape[0]);
  channels_ = static_cast<std::uint64_t>(mask_shape[1]);
  inner_ = 1;
  for (std::size_t d = 2; d < mask_shape.size(); ++d) inner_ *= static_cast<std::uint64_t>(mask_shape[d]);
  used_ = static_cast<std::size_t>(std::min<std::uint64_t>(channels_, kMostChannels));
}

std::span<const std::uint64_t> ChannelRows::split(const MaskBits& mask) {
  rows_.assign(used_ * ((entries() + 63) / 64), 0);
  if (inner_ == 1) split_single(mask.words());
  else split_runs(mask.words());
  return rows_;
}

void ChannelRows::split_single(std::span<const std::uint64_t> words) {
  const std::size_t row = (entries() + 63) / 64;
  std::array<std::uint64_t, 64> block;
  for (std::uint64_t first = 0; first < outer_; first += 64) {
    const std::uint64_t samples = std::min<std::uint64_t>(64, outer_ - first);
    for (std::size_t channel = 0; channel < used_; channel += 64) {
      const std::size_t width = std::min<std::size_t>(64, used_ - channel);
      block.fill(0);
      for (std::uint64_t i = 0; i < samples; ++i)
        block[i] = bits_from(words, (first + i) * channels_ + channel) & low_bits(width);
      transpose(block);
      for (std::size_t c = 0; c < width; ++c) rows_[(channel + c) * row + first / 64] = block[c];
    }
  }
}

void ChannelRows::split_runs(std::span<const std::uint64_t> words) {
  const std::size_t row = (entries() + 63) / 64;
  for (std::uint64_t sample = 0; sample < outer_; ++sample) {
    for (std::size_t channel = 0; channel < used_; ++channel) {
      const std::uint64_t from = (sample * channels_ + channel) * inner_;
      std::uint64_t* to = rows_.data() + channel * row;
      std::uint64_t at = sample * inner_;
      for (std::uint64_t done = 0; done < inner_;) {
        const std::uint64_t shift = at % 64, length = std::min(64 - shift, inner_ - done);
        to[at / 64] |= (bits_from(words, from + done) & low_bits(length)) << shift;
        at += length;
        done += length;
      }
    }
  }
}

}  // namespace dropcheck::suites
