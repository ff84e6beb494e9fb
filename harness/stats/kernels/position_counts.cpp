#include "harness/stats/kernels/position_counts.hpp"

#include <algorithm>
#include <array>

#include "harness/stats/preconditions.hpp"

#ifndef HWY_WANT_AVX3_DL
#define HWY_WANT_AVX3_DL
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "harness/stats/kernels/position_counts.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for every instruction set
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace dropcheck::stats::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kRow = 16;         // words of 1024 positions
constexpr std::size_t kHighPlanes = 8;   // of the counters below, beyond ones, twos and fours
constexpr std::size_t kMostRows = 2040;  // below 2^11, which 3 + 8 planes hold; a multiple of 8
constexpr std::size_t kGroup = 8;        // rows added at a time

HWY_INLINE void count_bits_of(std::uint64_t word, std::uint64_t* counts) {
  for (; word != 0; word &= word - 1) ++counts[hwy::Num0BitsBelowLS1Bit_Nonzero64(word)];
}

#if HWY_TARGET == HWY_SCALAR

void count_rows(const std::uint64_t* words, std::size_t rows, std::uint64_t* counts) {
  for (std::size_t w = 0; w < kRow * rows; ++w) count_bits_of(words[w], counts + w % kRow * 64);
}

void add_words(const std::uint64_t* words, std::size_t size, std::uint8_t* counts) {
  for (std::size_t w = 0; w < size; ++w)
    for (std::uint64_t word = words[w]; word != 0; word &= word - 1)
      ++counts[64 * w + hwy::Num0BitsBelowLS1Bit_Nonzero64(word)];
}

#else

using D = hn::CappedTag<std::uint64_t, kRow>;
using V = hn::Vec<D>;

/// Full adder of three bits in every position: the sum, and in `carry` what is worth twice as much.
HWY_INLINE V add3(V a, V b, V c, V& carry) {
  const V differ = hn::Xor(a, b);
  carry = hn::OrAnd(hn::And(a, b), differ, c);
  return hn::Xor(differ, c);
}

/// planes + carry, where plane k is worth 2^k times the carry.
HWY_INLINE void ripple(V carry, V* planes, std::size_t count) {
  for (std::size_t k = 0; k < count; ++k) {
    const V before = planes[k];
    planes[k] = hn::Xor(before, carry);
    carry = hn::And(before, carry);
  }
}

/// counts[0..64) += the counters whose plane k is planes[k * stride], 64 positions.
HWY_INLINE void add_planes(const std::uint64_t* planes, std::size_t stride, std::size_t count,
                           std::uint64_t* counts) {
  const hn::CappedTag<std::uint16_t, 64> d16;
  const std::size_t lanes = hn::Lanes(d16);
  HWY_ALIGN std::array<std::uint16_t, 64> sums;
  for (std::size_t at = 0; at < 64; at += lanes) {
    auto sum = hn::Zero(d16);
    for (std::size_t k = 0; k < count; ++k) {
      const std::uint64_t bits = planes[k * stride] >> at;
      const auto worth = hn::Set(d16, static_cast<std::uint16_t>(1u << k));
      std::uint8_t bytes[8];
      hwy::CopyBytes<8>(&bits, bytes);
      sum = hn::Add(sum, hn::IfThenElseZero(hn::LoadMaskBits(d16, bytes), worth));
    }
    hn::Store(sum, d16, sums.data() + at);
  }
  for (std::size_t i = 0; i < 64; ++i) counts[i] += sums[i];
}

/// Counts in vertical binary counters, 8 rows at a time: a tree of full adders leaves one carry in eight rows
/// for the higher planes (Harley and Seal's scheme, Warren, Hacker's Delight, 2nd ed., 5-1).
void count_rows(const std::uint64_t* words, std::size_t rows, std::uint64_t* counts) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  while (rows > 0) {
    const std::size_t now = std::min(rows, kMostRows);
    for (std::size_t column = 0; column < kRow; column += lanes) {
      V planes[3 + kHighPlanes];
      for (V& plane : planes) plane = hn::Zero(d);
      V ones = hn::Zero(d), twos = ones, fours = ones;
      std::size_t r = 0;
      const auto row = [&](std::size_t k) HWY_ATTR { return hn::LoadU(d, words + (r + k) * kRow + column); };
      for (; r + kGroup <= now; r += kGroup) {
        V two_a, two_b, four_a, four_b, eights;
        ones = add3(ones, row(0), row(1), two_a);
        ones = add3(ones, row(2), row(3), two_b);
        twos = add3(twos, two_a, two_b, four_a);
        ones = add3(ones, row(4), row(5), two_a);
        ones = add3(ones, row(6), row(7), two_b);
        twos = add3(twos, two_a, two_b, four_b);
        fours = add3(fours, four_a, four_b, eights);
        ripple(eights, planes + 3, kHighPlanes);
      }
      planes[0] = ones;
      planes[1] = twos;
      planes[2] = fours;
      for (; r < now; ++r) ripple(row(0), planes, 3 + kHighPlanes);
      HWY_ALIGN std::array<std::uint64_t, (3 + kHighPlanes) * kRow> stored;
      for (std::size_t k = 0; k < 3 + kHighPlanes; ++k) hn::StoreU(planes[k], d, stored.data() + k * lanes);
      for (std::size_t lane = 0; lane < lanes; ++lane)
        add_planes(stored.data() + lane, lanes, 3 + kHighPlanes, counts + (column + lane) * 64);
    }
    words += now * kRow;
    rows -= now;
  }
}

void add_words(const std::uint64_t* words, std::size_t size, std::uint8_t* counts) {
  const hn::CappedTag<std::uint8_t, 64> d;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t w = 0; w < size; ++w) {
    for (std::size_t at = 0; at < 64; at += lanes) {
      const std::uint64_t bits = words[w] >> at;
      std::uint8_t bytes[8];
      hwy::CopyBytes<8>(&bits, bytes);
      std::uint8_t* here = counts + 64 * w + at;
      const auto mask = hn::VecFromMask(d, hn::LoadMaskBits(d, bytes));  // -1 where set
      hn::StoreU(hn::Sub(hn::LoadU(d, here), mask), d, here);
    }
  }
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace dropcheck::stats::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dropcheck::stats::kernels {

HWY_EXPORT(count_rows);
HWY_EXPORT(add_words);

void position_counts(std::span<const std::uint64_t> words, std::uint64_t size,
                     std::span<std::uint64_t> counts, std::uint64_t first_position) {
  require(counts.size() == kLanes, "1024 counts");
  require(words.size() >= (size + 63) / 64, "words that hold all bits");
  const auto used = static_cast<std::size_t>((size + 63) / 64);
  const std::size_t rows = used / (kLanes / 64);
  const std::uint64_t turn = first_position % kLanes;
  std::array<std::uint64_t, kLanes> here{};
  std::uint64_t* into = turn == 0 ? counts.data() : here.data();
  HWY_DYNAMIC_DISPATCH(count_rows)(words.data(), rows, into);
  for (std::size_t w = rows * (kLanes / 64); w < used; ++w)
    for (std::uint64_t word = words[w]; word != 0; word &= word - 1)
      ++into[w % (kLanes / 64) * 64 + static_cast<std::size_t>(__builtin_ctzll(word))];
  if (turn == 0) return;
  for (std::size_t i = 0; i < kLanes; ++i) counts[(turn + i) % kLanes] += here[i];
}

void add_bits(std::span<const std::uint64_t> words, std::span<std::uint8_t> counts) {
  require(words.size() >= (counts.size() + 63) / 64, "words that hold all bits");
  const std::size_t whole = counts.size() / 64;
  HWY_DYNAMIC_DISPATCH(add_words)(words.data(), whole, counts.data());
  for (std::size_t i = 64 * whole; i < counts.size(); ++i)
    counts[i] = static_cast<std::uint8_t>(counts[i] + (words[whole] >> (i % 64) & 1));
}

}  // namespace dropcheck::stats::kernels
#endif
