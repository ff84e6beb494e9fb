#include "harness/core/mask_bits.hpp"

#include <algorithm>
#include <bit>

#include "harness/core/pack.hpp"

namespace dropcheck {
namespace {

/// One dimension of a walk over slots of memory.
struct Axis {
  std::uint64_t size;
  std::uint64_t stride;
};

/// Fills a mask from its first bit on.
class BitWriter {
 public:
  explicit BitWriter(MaskBits& bits) : words_(bits.words()) {}
  /// The lowest `count` bits, 1 to 64; the others are 0.
  void append(std::uint64_t bits, unsigned count) {
    words_[at_ / 64] |= bits << (at_ % 64);
    if (at_ % 64 + count > 64) words_[at_ / 64 + 1] |= bits >> (64 - at_ % 64);
    at_ += count;
  }

 private:
  std::span<std::uint64_t> words_;
  std::uint64_t at_ = 0;
};

/// Bits 0, 2, 4, ... of the word, next to each other (H. S. Warren, "Hacker's Delight", 2002, section 7-2).
std::uint64_t even_bits(std::uint64_t word) {
  word &= 0x5555555555555555u;
  word = (word | word >> 1) & 0x3333333333333333u;
  word = (word | word >> 2) & 0x0f0f0f0f0f0f0f0fu;
  word = (word | word >> 4) & 0x00ff00ff00ff00ffu;
  word = (word | word >> 8) & 0x0000ffff0000ffffu;
  return (word | word >> 16) & 0x00000000ffffffffu;
}

/// `count` bits (1 to 64) that lie `stride` apart, from bit `first` on.
std::uint64_t read_bits(std::span<const std::uint64_t> words, std::uint64_t first, std::uint64_t stride,
                        unsigned count) {
  std::uint64_t bits = 0;
  if (stride == 1) {
    bits = words[first / 64] >> (first % 64);
    if (first % 64 + count > 64) bits |= words[first / 64 + 1] << (64 - first % 64);
    return count == 64 ? bits : bits & ((std::uint64_t{1} << count) - 1);
  }
  if (stride == 2) {
    for (unsigned i = 0; i < count; i += 32) {
      const unsigned taken = std::min(32u, count - i);
      const std::uint64_t spread = read_bits(words, first + 2 * std::uint64_t{i}, 1, 2 * taken - 1);
      bits |= even_bits(spread) << i;
    }
    return bits;
  }
  for (unsigned i = 0; i < count; ++i, first += stride) bits |= (words[first / 64] >> (first % 64) & 1) << i;
  return bits;
}

/// Bits of `slots` in the order of nested axes, the outermost first.
MaskBits walk(const MaskBits& slots, const std::vector<Axis>& axes) {
  std::uint64_t size = 1;
  for (const Axis& axis : axes) size *= axis.size;
  MaskBits bits(size);
  if (size == 0) return bits;
  const Axis row = axes.empty() ? Axis{1, 1} : axes.back();
  std::vector<std::uint64_t> index(axes.size(), 0);
  BitWriter writer(bits);
  std::uint64_t offset = 0;
  while (true) {
    for (std::uint64_t i = 0; i < row.size; i += 64) {
      const auto count = static_cast<unsigned>(std::min<std::uint64_t>(64, row.size - i));
      writer.append(read_bits(slots.words(), offset + i * row.stride, row.stride, count), count);
    }
    std::size_t d = axes.empty() ? 0 : axes.size() - 1;  // the next row
    while (d > 0) {
      --d;
      offset += axes[d].stride;
      if (++index[d] < axes[d].size) break;
      offset -= axes[d].stride * axes[d].size;
      index[d] = 0;
      if (d == 0) return bits;
    }
    if (axes.size() <= 1) return bits;
  }
}

/// Axes of more than one element, in logical order; neighbours that one axis can walk are joined.
std::vector<Axis> joined(std::vector<Axis> axes) {
  std::erase_if(axes, [](const Axis& axis) { return axis.size == 1; });
  std::vector<Axis> result;
  for (const Axis& axis : axes) {
    if (!result.empty() && result.back().stride == axis.stride * axis.size)
      result.back() = {result.back().size * axis.size, axis.stride};
    else result.push_back(axis);
  }
  return result;
}

std::vector<Axis> axes_of(const TensorView& tensor) {
  std::vector<Axis> axes;
  for (std::size_t d = 0; d < tensor.shape.size(); ++d)
    axes.push_back(
        {static_cast<std::uint64_t>(tensor.shape[d]), static_cast<std::uint64_t>(tensor.strides[d])});
  return axes;
}

/// Drop bits of `count` elements without gaps.
OutputBits dense_bits(Op op, const TensorView& output, std::uint64_t count) {
  DROPCHECK_CHECK(is_float(output.dtype));
  OutputBits found{MaskBits(count), false};
  found.any_all_ones = pack_drops(output.data, count, output.element_size(),
                                  is_alpha(op) ? DropMark::negative : DropMark::zero, found.drops.words());
  return found;
}

/// Elements from the first to the last in memory.
std::uint64_t span_of(const std::vector<Axis>& axes) {
  std::uint64_t span = 1;
  for (const Axis& axis : axes) span += (axis.size - 1) * axis.stride;
  return span;
}

/// channel_bits where a word holds whole channels: neighbours are joined until one bit a channel is left.
void small_channels(const MaskBits& elements, std::uint64_t inner, ChannelBits& result) {
  const std::uint64_t in_word = 64 / inner;
  for (std::size_t w = 0; w < elements.words().size(); ++w) {
    std::uint64_t first = elements.words()[w], any = first, all = first;
    for (std::uint64_t size = inner; size > 1; size /= 2) {
      first = even_bits(first);
      any = even_bits(any | any >> 1);
      all = even_bits(all & all >> 1);
    }
    const std::uint64_t at = w * in_word;
    result.bits.words()[at / 64] |= first << (at % 64);
    result.mixed_channels += static_cast<std::uint64_t>(std::popcount(any & ~all));
  }
}

}  // namespace

std::uint64_t MaskBits::count() const { return count_ones(words_); }

std::uint64_t hamming_distance(const MaskBits& a, const MaskBits& b) {
  DROPCHECK_CHECK(a.size() == b.size());
  return count_differing(a.words(), b.words());
}

OutputBits read_output(Op op, const TensorView& output) {
  if (output.count() == 0 || output.is_contiguous())
    return dense_bits(op, output, static_cast<std::uint64_t>(output.count()));
  // All slots of memory become bits first, gaps among them: bits are quicker to put in order than elements.
  const std::vector<Axis> axes = joined(axes_of(output));
  const OutputBits slots = dense_bits(op, output, span_of(axes));
  return {walk(slots.drops, axes), slots.any_all_ones};
}

MaskBits drop_bits_of_output(Op op, const TensorView& output) { return read_output(op, output).drops; }

MaskBits drop_bits_in_memory_order(Op op, const TensorView& output) {
  return drop_bits_of_output(op, in_memory_order(output));
}

ChannelBits channel_bits(const MaskBits& elements, std::span<const std::int64_t> shape) {
  std::uint64_t channels = 1;
  for (std::size_t d = 0; d < shape.size() && d < 2; ++d) channels *= static_cast<std::uint64_t>(shape[d]);
  ChannelBits result{MaskBits(channels), 0};
  if (channels == 0) return result;
  const std::uint64_t inner = elements.size() / channels;
  if (std::has_single_bit(inner) && inner <= 64) {
    small_channels(elements, inner, result);
    return result;
  }
  for (std::uint64_t c = 0; c < channels; ++c) {
    const std::uint64_t begin = c * inner, end = begin + inner;
    bool any = false, all = true;
    for (std::uint64_t at = begin; at < end;) {  // the part of each word that belongs to the channel
      const std::uint64_t length = std::min(64 - at % 64, end - at);
      const std::uint64_t used = ~std::uint64_t{0} >> (64 - length);
      const std::uint64_t part = elements.words()[at / 64] >> (at % 64) & used;
      any = any || part != 0;
      all = all && part == used;
      at += length;
    }
    if (inner > 0 && elements[begin]) result.bits.set(c);
    if (any && !all) ++result.mixed_channels;
  }
  return result;
}

}  // namespace dropcheck
