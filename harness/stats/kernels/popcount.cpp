#include "harness/stats/kernels/popcount.hpp"

#include <algorithm>

#include "harness/stats/preconditions.hpp"

#ifndef HWY_WANT_AVX3_DL
#define HWY_WANT_AVX3_DL
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "harness/stats/kernels/popcount.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for every instruction set
#include <hwy/highway.h>

#include "harness/stats/kernels/tally-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dropcheck::stats::kernels {
namespace HWY_NAMESPACE {

/// Ones of words[0..size), where `read` gives the vector at an index and `read_word` the word.
template <typename Read, typename ReadWord>
HWY_INLINE std::uint64_t count_ones(std::size_t size, const Read& read, const ReadWord& read_word) {
  const std::size_t lanes = hn::Lanes(Words());
  WordVector sum = hn::Zero(Words());
  std::size_t i = 0;
  while (size - i >= 2 * lanes) {  // two sums do not wait for one another
    const std::size_t steps = std::min((size - i) / (2 * lanes), kPartialVectors);
    Partial even = no_ones(), odd = no_ones();
    for (std::size_t s = 0; s < steps; ++s, i += 2 * lanes) {
      even = with_ones(even, read(i));
      odd = with_ones(odd, read(i + lanes));
    }
    sum = hn::Add(sum, hn::Add(widen(even), widen(odd)));
  }
  std::uint64_t ones = total(sum);
  for (; i < size; ++i) ones += count_word(read_word(i));
  return ones;
}

std::uint64_t count_in_one(const std::uint64_t* words, std::size_t size) {
  return count_ones(
      size, [words](std::size_t i) HWY_ATTR { return hn::LoadU(Words(), words + i); },
      [words](std::size_t i) HWY_ATTR { return words[i]; });
}

std::uint64_t count_in_both(const std::uint64_t* a, const std::uint64_t* b, std::size_t size) {
  return count_ones(
      size,
      [a, b](std::size_t i)
          HWY_ATTR { return hn::And(hn::LoadU(Words(), a + i), hn::LoadU(Words(), b + i)); },
      [a, b](std::size_t i) HWY_ATTR { return a[i] & b[i]; });
}

std::uint64_t count_adjacent_pairs(const std::uint64_t* words, std::size_t size) {
  constexpr std::uint64_t kEven = 0x5555555555555555u;
  return count_ones(
      size,
      [words](std::size_t i) HWY_ATTR {
        const WordVector word = hn::LoadU(Words(), words + i);
        return hn::And(hn::And(word, hn::ShiftRight<1>(word)), hn::Set(Words(), kEven));
      },
      [words](std::size_t i) HWY_ATTR { return words[i] & (words[i] >> 1) & kEven; });
}

/// sums[0..4) += ones that `row` has in common with the four rows from `others`, `stride` words apart.
HWY_INLINE void one_with_four(const std::uint64_t* row, const std::uint64_t* others, std::size_t stride,
                              std::size_t size, std::uint64_t* sums) {
  const Words d;
  const std::size_t lanes = hn::Lanes(d);
  const std::uint64_t *o0 = others, *o1 = o0 + stride, *o2 = o1 + stride, *o3 = o2 + stride;
  WordVector s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  std::size_t i = 0;
  while (size - i >= lanes) {
    const std::size_t steps = std::min((size - i) / lanes, kPartialVectors);
    Partial p0 = no_ones(), p1 = p0, p2 = p0, p3 = p0;
    for (std::size_t s = 0; s < steps; ++s, i += lanes) {
      const WordVector here = hn::LoadU(d, row + i);
      p0 = with_ones(p0, hn::And(here, hn::LoadU(d, o0 + i)));
      p1 = with_ones(p1, hn::And(here, hn::LoadU(d, o1 + i)));
      p2 = with_ones(p2, hn::And(here, hn::LoadU(d, o2 + i)));
      p3 = with_ones(p3, hn::And(here, hn::LoadU(d, o3 + i)));
    }
    s0 = hn::Add(s0, widen(p0));
    s1 = hn::Add(s1, widen(p1));
    s2 = hn::Add(s2, widen(p2));
    s3 = hn::Add(s3, widen(p3));
  }
  std::uint64_t t0 = total(s0), t1 = total(s1), t2 = total(s2), t3 = total(s3);
  for (; i < size; ++i) {
    t0 += count_word(row[i] & o0[i]);
    t1 += count_word(row[i] & o1[i]);
    t2 += count_word(row[i] & o2[i]);
    t3 += count_word(row[i] & o3[i]);
  }
  sums[0] += t0;
  sums[1] += t1;
  sums[2] += t2;
  sums[3] += t3;
}

/// Lower triangle and diagonal of the Gram matrix.
void gram_below(const std::uint64_t* rows, std::size_t streams, std::size_t words, std::uint64_t* gram) {
  // Stretches of all masks that fit into the second-level cache together.
  constexpr std::size_t kCacheWords = std::size_t{1} << 15;
  const std::size_t stretch = std::max<std::size_t>(kCacheWords / streams, 64);
  for (std::size_t from = 0; from < words; from += stretch) {
    const std::size_t size = std::min(stretch, words - from);
    for (std::size_t i = 0; i < streams; ++i) {
      const std::uint64_t* row = rows + i * words + from;
      std::size_t j = 0;
      for (; j + 4 <= i + 1; j += 4)
        one_with_four(row, rows + j * words + from, words, size, gram + i * streams + j);
      for (; j <= i; ++j) gram[i * streams + j] += count_in_both(row, rows + j * words + from, size);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace dropcheck::stats::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

#include <vector>

namespace dropcheck::stats::kernels {

HWY_EXPORT(count_in_one);
HWY_EXPORT(count_in_both);
HWY_EXPORT(count_adjacent_pairs);
HWY_EXPORT(gram_below);

std::uint64_t count(std::span<const std::uint64_t> words) {
  return HWY_DYNAMIC_DISPATCH(count_in_one)(words.data(), words.size());
}

std::uint64_t and_count(std::span<const std::uint64_t> a, std::span<const std::uint64_t> b) {
  require(a.size() == b.size(), "masks of equal length");
  return HWY_DYNAMIC_DISPATCH(count_in_both)(a.data(), b.data(), a.size());
}

std::uint64_t adjacent_pairs(std::span<const std::uint64_t> words) {
  return HWY_DYNAMIC_DISPATCH(count_adjacent_pairs)(words.data(), words.size());
}

void pair_counts(std::span<const std::uint64_t> rows, std::size_t streams, std::span<std::uint64_t> gram) {
  require(streams > 0 ? rows.size() % streams == 0 : rows.empty(), "masks of equal length");
  require(gram.size() == streams * streams, "one count per pair");
  if (streams == 0) return;
  std::vector<std::uint64_t> below(gram.size(), 0);
  HWY_DYNAMIC_DISPATCH(gram_below)(rows.data(), streams, rows.size() / streams, below.data());
  for (std::size_t i = 0; i < streams; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      gram[i * streams + j] += below[i * streams + j];
      gram[j * streams + i] += below[i * streams + j];
    }
    gram[i * streams + i] += below[i * streams + i];
  }
}

}  // namespace dropcheck::stats::kernels

#endif  // HWY_ONCE
