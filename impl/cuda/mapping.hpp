#pragma once
// Which random word a mask entry takes, and which words keep it: pure functions of the entry's number. No
// launch geometry enters; what PyTorch's masks owe to PyTorch's own launch is a number like any other here.

#include <cstdint>

#include "impl/cuda/host_device.hpp"
#include "impl/cuda/philox.hpp"

namespace dropcheck::cuda {

/// The stream `dropcheck-philox` (docs/streams.md): entry i of call c takes word i mod 4 of the counter
/// (floor(i / 4), c) and is dropped if that is at most last_dropped = ceil(p 2^32) - 1.
struct DropcheckStream {
  static constexpr bool kDraws = true;
  KeySchedule keys;  // of the seed
  std::uint64_t call = 0;
  std::uint32_t last_dropped = 0;

  /// Of entries 4 quad to 4 quad + 3.
  DROPCHECK_HD Words words(std::uint64_t quad) const { return philox4x32_10(quad, call, keys); }
  DROPCHECK_HD bool keeps(std::uint32_t word) const { return word > last_dropped; }
};

/// Where PyTorch's kernels find the word of an entry.
struct Place {
  std::uint64_t thread;
  std::uint64_t block;  // of this thread's sequence, from the call's offset on
  unsigned lane;
};

/// What curand_uniform4 makes of a word, in (0, 1] (ATen/native/cuda/Dropout.cu draws with it). The product
/// is exact, so one rounding or two make no difference.
DROPCHECK_HD float uniform_of(std::uint32_t word) { return static_cast<float>(word) * 0x1p-32f + 0x1p-33f; }

/// The stream `pytorch-cuda` (docs/streams.md), from ATen/native/cuda/Dropout.cu (fused_dropout_kernel_vec,
/// fused_dropout_kernel) and ATen/native/cuda/DistributionTemplates.h: read from sources, never compared with
/// a device.
struct PyTorchStream {
  static constexpr bool kDraws = true;
  KeySchedule keys;               // of the seed
  std::uint64_t first_block = 0;  // offset / 4
  std::uint64_t threads = 1;      // of PyTorch's launch
  unsigned vec = 1;               // elements that one of its threads handles at once: 1, 2, 4 or 8
  bool in_double = false;         // f64 compares in double
  double q = 1;                   // 1 - p

  DROPCHECK_HD Place place(std::uint64_t i) const {
    if (vec == 1) {
      const Quotient turn = divide(i, threads);
      return {turn.rest, turn.quotient / 4, static_cast<unsigned>(turn.quotient % 4)};
    }
    const Quotient round = divide(i, vec * threads);
    const auto at = static_cast<unsigned>(round.rest % vec);
    const std::uint64_t thread = round.rest / vec;
    if (vec == 8) return {thread, 2 * round.quotient + at / 4, at % 4};
    return {thread, round.quotient, at};
  }
  DROPCHECK_HD Words block(const Place& at) const {
    return philox4x32_10(first_block + at.block, at.thread, keys);
  }
  DROPCHECK_HD std::uint32_t word(std::uint64_t i) const {
    const Place at = place(i);
    return block(at).at(at.lane);
  }
  /// Of entries 4 quad to 4 quad + 3, which are one block for vec of 4 and 8.
  DROPCHECK_HD Words words(std::uint64_t quad) const {
    if (vec >= 4) return block(place(4 * quad));
    Words four{};
    if (vec == 2) {
      const Words front = block(place(4 * quad)), back = block(place(4 * quad + 2));
      four = {{front.word[0], front.word[1], back.word[0], back.word[1]}};
    } else {
      four = {{word(4 * quad), word(4 * quad + 1), word(4 * quad + 2), word(4 * quad + 3)}};
    }
    return four;
  }
  DROPCHECK_HD bool keeps(std::uint32_t drawn) const {
    const float u = uniform_of(drawn);
    return in_double ? static_cast<double>(u) < q : u < static_cast<float>(q);
  }
};

/// No draw at all: p = 0, p = 1 and eval mode.
struct ConstantStream {
  static constexpr bool kDraws = false;
  bool keep = true;

  DROPCHECK_HD Words words(std::uint64_t) const { return {}; }
  DROPCHECK_HD bool keeps(std::uint32_t) const { return keep; }
};

/// One bit an element, 1 = kept, the first one lowest: of `count` elements (8 at most) from element `first`
/// on, a multiple of 4, where each is an entry of its own.
template <unsigned kCount, typename Stream>
DROPCHECK_HD unsigned keep_bits(const Stream& stream, std::uint64_t first) {
  static_assert(kCount == 4 || kCount == 8);
  unsigned bits = 0;
  DROPCHECK_UNROLL
  for (unsigned quad = 0; quad < kCount / 4; ++quad) {
    const Words words = stream.words(first / 4 + quad);
    DROPCHECK_UNROLL
    for (unsigned lane = 0; lane < 4; ++lane)
      bits |= (stream.keeps(words.word[lane]) ? 1u : 0u) << (4 * quad + lane);
  }
  return bits;
}

/// The same where `per_entry` elements in a row share an entry: the elements of a channel.
template <unsigned kCount, typename Stream>
DROPCHECK_HD unsigned channel_bits(const Stream& stream, std::uint64_t first, std::uint64_t per_entry) {
  const Quotient at = divide(first, per_entry);
  std::uint64_t entry = at.quotient, inside = at.rest;
  Words words = stream.words(entry / 4);
  unsigned bits = 0;
  DROPCHECK_UNROLL
  for (unsigned i = 0; i < kCount; ++i) {
    bits |= (stream.keeps(words.at(static_cast<unsigned>(entry % 4))) ? 1u : 0u) << i;
    if (++inside == per_entry) {
      inside = 0;
      if (++entry % 4 == 0) words = stream.words(entry / 4);
    }
  }
  return bits;
}

}  // namespace dropcheck::cuda
