#pragma once
// What one thread of a launch does. Threads stride over items of 4 or 8 elements; which element has which
// mask entry does not depend on how many threads there are.

#include <cstdint>

#include "impl/cuda/chunk.hpp"
#include "impl/cuda/task.hpp"

namespace dropcheck::cuda {

/// Bits of up to 8 elements from `first` on, a multiple of 4, of a task.
template <unsigned kCount, bool kChannels, typename Stream>
DROPCHECK_HD unsigned mask_bits(const Stream& stream, const Task& task, std::uint64_t first) {
  if constexpr (kChannels) return channel_bits<kCount>(stream, first, task.per_entry);
  else return keep_bits<kCount>(stream, first);
}

/// Where the elements of a task lie that follow each other in logical order.
struct Offsets {
  std::int64_t x = 0, y = 0, mask = 0;
  std::int64_t inner = 0;  // index in the last dimension

  /// Of element number i.
  DROPCHECK_HD void find(const Walk& walk, std::uint64_t i) {
    x = y = mask = inner = 0;
    for (int d = walk.rank; d-- > 0;) {
      const Quotient at = divide(i, static_cast<std::uint64_t>(walk.extent[d]));
      const auto index = static_cast<std::int64_t>(at.rest);
      i = at.quotient;
      x += index * walk.x[d];
      y += index * walk.y[d];
      mask += index * walk.mask[d];
      if (d + 1 == walk.rank) inner = index;
    }
  }
  /// From element number i - 1 to i.
  DROPCHECK_HD void next(const Walk& walk, std::uint64_t i) {
    const int last = walk.rank - 1;
    if (last < 0) return;
    if (++inner == walk.extent[last]) return find(walk, i);
    x += walk.x[last];
    y += walk.y[last];
    mask += walk.mask[last];
  }
};

/// Calls visit(law) with the task's law in type T. Tasks that draw never copy, and those that do not never
/// shift.
template <typename T, typename Stream, typename Visit>
DROPCHECK_HD void with_law(const Law& law, const Stream&, Visit&& visit) {
  constexpr Form kOther = Stream::kDraws ? Form::shifted : Form::copy;
  if (law.form == kOther) visit(RealLaw<T, kOther>(law));
  else visit(RealLaw<T, Form::plain>(law));
}

/// Element by element: any strides, any alignment, and the ends of tensors.
template <typename T, bool kChannels, typename Stream>
struct SingleBody {
  static constexpr unsigned kItem = 8;  // a byte of the packed mask

  Task task;
  Stream stream;

  DROPCHECK_HD void operator()(std::uint64_t thread, std::uint64_t threads) const {
    const std::uint64_t items = task.count / kItem + (task.count % kItem != 0 ? 1 : 0);
    with_law<T>(task.law, stream, [&](const auto& law) {
      for (std::uint64_t item = thread; item < items; item += threads) run(law, item);
    });
  }

  /// Of elements 8 item to 8 item + 7, as far as there are such.
  template <typename AnyLaw>
  DROPCHECK_HD void run(const AnyLaw& law, std::uint64_t item) const {
    const std::uint64_t first = item * kItem;
    const std::uint64_t left = task.count - first;
    const unsigned count = left < kItem ? static_cast<unsigned>(left) : kItem;
    const unsigned bits = mask_bits<kItem, kChannels>(stream, task, first) & ((1u << count) - 1u);
    if (task.packed != nullptr) task.packed[item] = static_cast<unsigned char>(bits);
    if (task.y == nullptr && task.mask == nullptr) return;
    Offsets at;
    at.find(task.walk, first);
    for (unsigned i = 0; i < count; ++i) {
      if (i > 0) at.next(task.walk, first + i);
      const bool keep = (bits >> i & 1u) != 0;
      if (task.mask != nullptr) task.mask[at.mask] = keep ? 1 : 0;
      if (task.y == nullptr) continue;
      const T x = task.x == nullptr ? narrow<T>(static_cast<Real<T>>(task.constant))
                                    : static_cast<const T*>(task.x)[at.x];
      static_cast<T*>(task.y)[at.y] = law(x, keep);
    }
  }
};

/// In chunks of 16 bytes, where a Request allows it. An item is a chunk, or as many as make a byte of the
/// packed mask, and never less than one draw of four words.
template <typename T, bool kChannels, bool kPacked, typename Stream>
struct VectorBody {
  static constexpr unsigned kItem = kPacked || sizeof(T) == 2 ? 8 : 4;
  static constexpr unsigned kChunks = kItem / kChunkElements<T>;

  Task task;
  Stream stream;

  DROPCHECK_HD void operator()(std::uint64_t thread, std::uint64_t threads) const {
    const std::uint64_t items = task.count / kItem;
    with_law<T>(task.law, stream, [&](const auto& law) {
      for (std::uint64_t item = thread; item < items; item += threads) run(law, item);
      // What is left, fewer than kItem elements, is the next thread's.
      if (task.count % kItem != 0 && items % threads == thread) tail(law, items * kItem);
    });
  }

  template <typename AnyLaw>
  DROPCHECK_HD void run(const AnyLaw& law, std::uint64_t item) const {
    const std::uint64_t first = item * kItem;
    const auto* from = static_cast<const char*>(task.x) + first * sizeof(T);
    auto* to = static_cast<char*>(task.y) + first * sizeof(T);
    Chunk in[kChunks];
    DROPCHECK_UNROLL
    for (unsigned c = 0; c < kChunks; ++c) in[c] = load_chunk(from + c * kChunkBytes);
    const unsigned bits = mask_bits<kItem, kChannels>(stream, task, first);
    DROPCHECK_UNROLL
    for (unsigned c = 0; c < kChunks; ++c) {
      Chunk out{};
      DROPCHECK_UNROLL
      for (unsigned i = 0; i < kChunkElements<T>; ++i) {
        T x;
        get(in[c], i, x);
        put(out, i, law(x, (bits >> (c * kChunkElements<T> + i) & 1u) != 0));
      }
      store_chunk(to + c * kChunkBytes, out);
    }
    if constexpr (kPacked) task.packed[item] = static_cast<unsigned char>(bits);
  }

  template <typename AnyLaw>
  DROPCHECK_HD void tail(const AnyLaw& law, std::uint64_t first) const {
    const auto count = static_cast<unsigned>(task.count - first);
    const unsigned bits = mask_bits<kItem, kChannels>(stream, task, first) & ((1u << count) - 1u);
    if constexpr (kPacked) task.packed[first / 8] = static_cast<unsigned char>(bits);
    for (unsigned i = 0; i < count; ++i)
      static_cast<T*>(task.y)[first + i] =
          law(static_cast<const T*>(task.x)[first + i], (bits >> i & 1u) != 0);
  }
};

}  // namespace dropcheck::cuda
