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

/// `count` bits (1 to 64) that lie `stride` apart, from bit `first` on.
std::uint64_t read_bits(std::span<const std::uint64_t> words, std::uint64_t first, std::uint64_t stride,
                        unsigned count) {
  std::uint64_t bits = 0;
  if (stride == 1) {
    bits = words[first / 64] >> (first % 64);
    if (first % 64 + count > 64) bits |= words[first / 64 + 1] << (64 - first % 64);
    return count == 64 ? bits : bits & ((std::uint64_t{1} << count) - 1);
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
MaskBits dense_bits(Op op, const TensorView& output, std::uint64_t count) {
  DROPCHECK_CHECK(is_float(output.dtype));
  MaskBits bits(count);
  pack_drops(output.data, count, output.element_size(), is_alpha(op) ? DropMark::negative : DropMark::zero,
             bits.words());
  return bits;
}

/// Elements from the first to the last in memory.
std::uint64_t span_of(const std::vector<Axis>& axes) {
  std::uint64_t span = 1;
  for (const Axis& axis : axes) span += (axis.size - 1) * axis.stride;
  return span;
}

}  // namespace

std::uint64_t MaskBits::count() const { return count_ones(words_); }

std::uint64_t hamming_distance(const MaskBits& a, const MaskBits& b) {
  DROPCHECK_CHECK(a.size() == b.size());
  return count_differing(a.words(), b.words());
}

MaskBits drop_bits_of_output(Op op, const TensorView& output) {
  if (output.count() == 0 || output.is_contiguous())
    return dense_bits(op, output, static_cast<std::uint64_t>(output.count()));
  // All slots of memory become bits first, gaps among them: bits are quicker to put in order than elements.
  const std::vector<Axis> axes = joined(axes_of(output));
  return walk(dense_bits(op, output, span_of(axes)), axes);
}

MaskBits drop_bits_in_memory_order(Op op, const TensorView& output) {
  return drop_bits_of_output(op, in_memory_order(output));
}

ChannelBits channel_bits(const MaskBits& elements, std::span<const std::int64_t> shape) {
  std::uint64_t channels = 1;
  for (std::size_t d = 0; d < shape.size() && d < 2; ++d) channels *= static_cast<std::uint64_t>(shape[d]);
  ChannelBits result{MaskBits(channels), 0};
  if (channels == 0) return result;
  const std::uint64_t inner = elements.size() / channels;
  for (std::uint64_t c = 0; c < channels; ++c) {
    const std::uint64_t begin = c * inner, end = begin + inner;
    std::uint64_t dropped = 0;
    for (std::uint64_t at = begin; at < end;) {  // the part of each word that belongs to the channel
      const std::uint64_t length = std::min(64 - at % 64, end - at);
      const std::uint64_t part = elements.words()[at / 64] >> (at % 64);
      dropped += static_cast<std::uint64_t>(
          std::popcount(length == 64 ? part : part & ((std::uint64_t{1} << length) - 1)));
      at += length;
    }
    if (inner > 0 && elements[begin]) result.bits.set(c);
    if (dropped != 0 && dropped != inner) ++result.mixed_channels;
  }
  return result;
}

}  // namespace dropcheck
