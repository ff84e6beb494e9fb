#include "harness/stats/kernels/selected_sums.hpp"

#include <algorithm>

#include "harness/stats/preconditions.hpp"

#ifndef HWY_WANT_AVX3_DL
#define HWY_WANT_AVX3_DL
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "harness/stats/kernels/selected_sums.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for every instruction set
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace dropcheck::stats::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <int kPower>
HWY_INLINE std::int64_t power(std::int64_t x) {
  return kPower == 1 ? x : x * x;
}

HWY_INLINE void add_one(std::int64_t x, IntegerMoments& moments) {
  moments.sum += x;
  moments.absolute += x < 0 ? -x : x;
  moments.squares += x * x;
  moments.fourths += x * x * x * x;
  moments.largest = std::max(moments.largest, x < 0 ? -x : x);
}

#if HWY_TARGET == HWY_SCALAR

template <int kPower>
HWY_INLINE std::int64_t sum_selected(const std::uint64_t* words, const std::int8_t* values,
                                     std::size_t size) {
  std::int64_t sum = 0;
  for (std::size_t w = 0; w * 64 < size; ++w)
    for (std::uint64_t word = words[w]; word != 0; word &= word - 1)
      sum += power<kPower>(values[64 * w + hwy::Num0BitsBelowLS1Bit_Nonzero64(word)]);
  return sum;
}

void sum_all(const std::int8_t* values, std::size_t size, IntegerMoments* moments) {
  for (std::size_t i = 0; i < size; ++i) add_one(values[i], *moments);
}

#else

using D8 = hn::CappedTag<std::int8_t, 64>;
using DU8 = hn::RebindToUnsigned<D8>;
using D16 = hn::RepartitionToWide<D8>;
using D32 = hn::RepartitionToWide<D16>;
using DU64 = hn::RepartitionToWide<hn::RebindToUnsigned<D32> >;
constexpr std::size_t kWordsInARow =
    256;  // until sums in 32 bits are widened: one adds at most 2^18 to a lane

/// Sum of values as unsigned bytes, 8 to a lane.
HWY_INLINE hn::Vec<DU64> sum_bytes(hn::Vec<D8> v) { return hn::SumsOf8(hn::BitCast(DU8(), v)); }

/// Bytes as 16-bit numbers, each half of the vector in turn.
HWY_INLINE hn::Vec<D16> lower(hn::Vec<D8> v) { return hn::PromoteTo(D16(), hn::LowerHalf(v)); }
HWY_INLINE hn::Vec<D16> upper(hn::Vec<D8> v) {
  return hn::PromoteTo(D16(), hn::UpperHalf(hn::Half<D8>(), v));
}

/// Sums of 32-bit lanes that are at least 0.
HWY_INLINE hn::Vec<DU64> widened(hn::Vec<D32> v) {
  const DU64 d;
  const auto pairs = hn::BitCast(d, v);
  return hn::Add(hn::ShiftRight<32>(pairs), hn::And(pairs, hn::Set(d, 0xFFFFFFFFu)));
}

HWY_INLINE std::int64_t total(hn::Vec<DU64> v) {
  return static_cast<std::int64_t>(hn::GetLane(hn::SumOfLanes(DU64(), v)));
}

template <int kPower>
HWY_INLINE std::int64_t sum_selected(const std::uint64_t* words, const std::int8_t* values,
                                     std::size_t size) {
  const D8 d;
  const std::size_t lanes = hn::Lanes(d), whole = size / 64;
  const auto offset = hn::Set(d, std::int8_t{-128});  // x XOR it is x + 128 as an unsigned byte
  auto sums = hn::Zero(DU64());
  for (std::size_t from = 0; from < whole; from += kWordsInARow) {
    auto recent = hn::Zero(D32()), other = recent;
    for (std::size_t w = from; w < std::min(whole, from + kWordsInARow); ++w) {
      for (std::size_t at = 0; at < 64; at += lanes) {
        const std::uint64_t bits = words[w] >> at;
        std::uint8_t bytes[8];
        hwy::CopyBytes<8>(&bits, bytes);
        const auto chosen =
            hn::IfThenElseZero(hn::LoadMaskBits(d, bytes), hn::LoadU(d, values + 64 * w + at));
        if constexpr (kPower == 1) {
          sums = hn::Add(sums, sum_bytes(hn::Xor(chosen, offset)));
        } else {
          const auto a = lower(chosen), b = upper(chosen);
          recent = hn::ReorderWidenMulAccumulate(D32(), a, a, recent, other);
          recent = hn::ReorderWidenMulAccumulate(D32(), b, b, recent, other);
        }
      }
    }
    if constexpr (kPower == 2) sums = hn::Add(sums, hn::Add(widened(recent), widened(other)));
  }
  std::int64_t sum = total(sums);
  if (kPower == 1) sum -= std::int64_t{128} * static_cast<std::int64_t>(64 * whole);
  if (size % 64 == 0) return sum;
  for (std::uint64_t word = words[whole]; word != 0; word &= word - 1)
    sum += power<kPower>(values[64 * whole + hwy::Num0BitsBelowLS1Bit_Nonzero64(word)]);
  return sum;
}

void sum_all(const std::int8_t* values, std::size_t size, IntegerMoments* moments) {
  const D8 d;
  const std::size_t lanes = hn::Lanes(d);
  const auto offset = hn::Set(d, std::int8_t{-128});
  auto shifted = hn::Zero(DU64()), absolute = shifted, squares = shifted, fourths = shifted;
  auto largest = hn::Zero(DU8());
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    const auto x = hn::LoadU(d, values + i);
    const auto magnitude = hn::Abs(x);  // of -128 is 128 as an unsigned byte
    shifted = hn::Add(shifted, sum_bytes(hn::Xor(x, offset)));
    absolute = hn::Add(absolute, sum_bytes(magnitude));
    largest = hn::Max(largest, hn::BitCast(DU8(), magnitude));
    const auto a = lower(x), b = upper(x);
    const auto a2 = hn::Mul(a, a), b2 = hn::Mul(b, b);  // at most 2^14
    auto other = hn::Zero(D32());
    auto recent = hn::ReorderWidenMulAccumulate(D32(), a, a, other, other);
    recent = hn::ReorderWidenMulAccumulate(D32(), b, b, recent, other);
    squares = hn::Add(squares, widened(hn::Add(recent, other)));
    other = hn::Zero(D32());
    recent = hn::ReorderWidenMulAccumulate(D32(), a2, a2, other, other);  // at most 2^29
    recent = hn::ReorderWidenMulAccumulate(D32(), b2, b2, recent, other);
    fourths = hn::Add(fourths, hn::Add(widened(recent), widened(other)));
  }
  moments->sum += total(shifted) - std::int64_t{128} * static_cast<std::int64_t>(i);
  moments->absolute += total(absolute);
  moments->squares += total(squares);
  moments->fourths += total(fourths);
  HWY_ALIGN std::uint8_t maxima[64];
  hn::Store(largest, DU8(), maxima);
  for (std::size_t lane = 0; lane < lanes; ++lane)
    moments->largest = std::max(moments->largest, std::int64_t{maxima[lane]});
  for (; i < size; ++i) add_one(values[i], *moments);
}

#endif

std::int64_t sum_selected_values(const std::uint64_t* words, const std::int8_t* values, std::size_t size) {
  return sum_selected<1>(words, values, size);
}

std::int64_t sum_selected_squares(const std::uint64_t* words, const std::int8_t* values, std::size_t size) {
  return sum_selected<2>(words, values, size);
}

}  // namespace HWY_NAMESPACE
}  // namespace dropcheck::stats::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dropcheck::stats::kernels {

HWY_EXPORT(sum_selected_values);
HWY_EXPORT(sum_selected_squares);
HWY_EXPORT(sum_all);

std::int64_t selected_sum(std::span<const std::uint64_t> words, std::span<const std::int8_t> values) {
  require(words.size() >= (values.size() + 63) / 64, "words that hold all bits");
  return HWY_DYNAMIC_DISPATCH(sum_selected_values)(words.data(), values.data(), values.size());
}

std::int64_t selected_squares(std::span<const std::uint64_t> words, std::span<const std::int8_t> values) {
  require(words.size() >= (values.size() + 63) / 64, "words that hold all bits");
  return HWY_DYNAMIC_DISPATCH(sum_selected_squares)(words.data(), values.data(), values.size());
}

IntegerMoments integer_moments(std::span<const std::int8_t> values) {
  IntegerMoments moments;
  HWY_DYNAMIC_DISPATCH(sum_all)(values.data(), values.size(), &moments);
  return moments;
}

}  // namespace dropcheck::stats::kernels
#endif
