#include "harness/core/pack.hpp"

#include <algorithm>
#include <cstring>

#include "harness/core/invariant.hpp"

#ifndef HWY_WANT_AVX3_DL
#define HWY_WANT_AVX3_DL
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "harness/core/pack.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for every instruction set
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace dropcheck {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <typename Word>
HWY_INLINE Word word_at(const std::byte* data, std::size_t i) {
  Word word;
  hwy::CopyBytes<sizeof(Word)>(data + i * sizeof(Word), &word);
  return word;
}

template <DropMark kMark, typename Word>
HWY_INLINE bool is_dropped(Word word) {
  const bool is_zero = static_cast<Word>(word << 1) == 0;
  if (kMark == DropMark::zero) return is_zero;
  return (word >> (8 * sizeof(Word) - 1)) != 0 && !is_zero;
}

#if HWY_TARGET != HWY_SCALAR

template <DropMark kMark, class D, class V>
HWY_INLINE hn::Mask<D> dropped(D d, V v) {
  if constexpr (kMark == DropMark::zero) {
    return hn::Eq(hn::Add(v, v), hn::Zero(d));
  } else {  // with its sign flipped, a negative number but -0 is a positive integer
    const hn::RebindToSigned<D> di;
    const auto sign = hn::SignBit(di);
    return hn::RebindMask(d, hn::Gt(hn::Xor(hn::BitCast(di, v), sign), hn::Zero(di)));
  }
}

/// Bits of a mask of at most 64 lanes, the first lane lowest.
template <class D>
HWY_INLINE std::uint64_t bits_of(D d, hn::Mask<D> mask) {
  std::uint64_t bits = 0;
  std::uint8_t bytes[8] = {};
  hn::StoreMaskBits(d, mask, bytes);
  hwy::CopyBytes<8>(bytes, &bits);
  return bits;
}

/// Unaligned vector at element i.
template <class D>
HWY_INLINE hn::Vec<D> load(D d, const std::byte* data, std::size_t i) {
  using Word = hn::TFromD<D>;
  // Highway's loads of unaligned memory make no use of the pointer's type.
  return hn::LoadU(d, reinterpret_cast<const Word*>(data) + i);
}

#endif

template <DropMark kMark, typename Word>
HWY_INLINE void pack(const std::byte* data, std::size_t count, std::uint64_t* words) {
  std::size_t base = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::CappedTag<Word, 64> d;
  const std::size_t lanes = hn::Lanes(d);
  for (; base + 64 <= count; base += 64) {
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < 64; i += lanes)
      bits |= bits_of(d, dropped<kMark>(d, load(d, data, base + i))) << i;
    words[base / 64] = bits;
  }
#endif
  for (; base < count; base += 64) {
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < std::min<std::size_t>(64, count - base); ++i)
      bits |= std::uint64_t{is_dropped<kMark>(word_at<Word>(data, base + i))} << i;
    words[base / 64] = bits;
  }
}

void pack_any(const std::byte* data, std::size_t count, std::size_t size, DropMark mark,
              std::uint64_t* words) {
  if (mark == DropMark::zero) {
    if (size == 2) pack<DropMark::zero, std::uint16_t>(data, count, words);
    if (size == 4) pack<DropMark::zero, std::uint32_t>(data, count, words);
    if (size == 8) pack<DropMark::zero, std::uint64_t>(data, count, words);
  } else {
    if (size == 2) pack<DropMark::negative, std::uint16_t>(data, count, words);
    if (size == 4) pack<DropMark::negative, std::uint32_t>(data, count, words);
    if (size == 8) pack<DropMark::negative, std::uint64_t>(data, count, words);
  }
}

std::uint64_t count_ones_of(const std::uint64_t* words, std::size_t size) {
  const hn::ScalableTag<std::uint64_t> d;
  const std::size_t lanes = hn::Lanes(d);
  auto sum = hn::Zero(d);
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes) sum = hn::Add(sum, hn::PopulationCount(hn::LoadU(d, words + i)));
  std::uint64_t ones = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < size; ++i) ones += static_cast<std::uint64_t>(hwy::PopCount(words[i]));
  return ones;
}

std::uint64_t count_differing_of(const std::uint64_t* a, const std::uint64_t* b, std::size_t size) {
  const hn::ScalableTag<std::uint64_t> d;
  const std::size_t lanes = hn::Lanes(d);
  auto sum = hn::Zero(d);
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes)
    sum = hn::Add(sum, hn::PopulationCount(hn::Xor(hn::LoadU(d, a + i), hn::LoadU(d, b + i))));
  std::uint64_t ones = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < size; ++i) ones += static_cast<std::uint64_t>(hwy::PopCount(a[i] ^ b[i]));
  return ones;
}

template <typename Word>
HWY_INLINE bool any_ones(const std::byte* data, std::size_t count) {
  std::size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<Word> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto ones = hn::Set(d, static_cast<Word>(~Word{0}));
  constexpr std::size_t kStretch = 64;  // vectors until the search ends early
  while (i + 2 * lanes <= count) {
    const std::size_t end = i + std::min(kStretch, (count - i) / (2 * lanes)) * (2 * lanes);
    auto even = hn::Zero(d), odd = even;  // no bit of a lane is clear where it was ever all ones
    for (; i < end; i += 2 * lanes) {
      even = hn::Or(even, hn::VecFromMask(d, hn::Eq(load(d, data, i), ones)));
      odd = hn::Or(odd, hn::VecFromMask(d, hn::Eq(load(d, data, i + lanes), ones)));
    }
    if (!hn::AllTrue(d, hn::Eq(hn::Or(even, odd), hn::Zero(d)))) return true;
  }
#endif
  for (; i < count; ++i)
    if (word_at<Word>(data, i) == static_cast<Word>(~Word{0})) return true;
  return false;
}

bool any_ones_of(const std::byte* data, std::size_t count, std::size_t size) {
  switch (size) {
    case 1: return any_ones<std::uint8_t>(data, count);
    case 2: return any_ones<std::uint16_t>(data, count);
    case 4: return any_ones<std::uint32_t>(data, count);
    case 8: return any_ones<std::uint64_t>(data, count);
    default:
      for (std::size_t i = 0; i < count; ++i)
        if ((word_at<std::uint64_t>(data, 2 * i) & word_at<std::uint64_t>(data, 2 * i + 1)) ==
            ~std::uint64_t{0})
          return true;
      return false;
  }
}

template <bool kDivide, typename Float, typename Word>
HWY_INLINE bool zero_or_scaled(const std::byte* y, const std::int8_t* x, std::size_t count, Float operand) {
  std::size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<Float> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const hn::Rebind<std::int32_t, decltype(d)> d32;
  const hn::Rebind<std::int8_t, decltype(d)> d8;
  const std::size_t lanes = hn::Lanes(d);
  const auto scale = hn::Set(d, operand);
  auto wrong = hn::Zero(du);
  for (; i + lanes <= count; i += lanes) {
    const auto integers = hn::PromoteTo(d32, hn::LoadU(d8, x + i));
    hn::Vec<decltype(d)> value;
    if constexpr (sizeof(Float) == 4) value = hn::ConvertTo(d, integers);
    else value = hn::PromoteTo(d, integers);
    const auto expected = hn::BitCast(du, kDivide ? hn::Div(value, scale) : hn::Mul(value, scale));
    const auto out = load(du, y, i);
    // Neither zero nor what is expected: all bits set there.
    const auto fits = hn::Or(hn::VecFromMask(du, hn::Eq(hn::Add(out, out), hn::Zero(du))),
                             hn::VecFromMask(du, hn::Eq(out, expected)));
    wrong = hn::Or(wrong, hn::Not(fits));
  }
  if (!hn::AllTrue(du, hn::Eq(wrong, hn::Zero(du)))) return false;
#endif
  for (; i < count; ++i) {
    const Float value = static_cast<Float>(x[i]), expected = kDivide ? value / operand : value * operand;
    Word bits;
    hwy::CopyBytes<sizeof(Word)>(&expected, &bits);
    const Word out = word_at<Word>(y, i);
    if (static_cast<Word>(out << 1) != 0 && out != bits) return false;
  }
  return true;
}

bool zero_or_scaled_f32(const std::byte* y, const std::int8_t* x, std::size_t count, bool divide,
                        float operand) {
  return divide ? zero_or_scaled<true, float, std::uint32_t>(y, x, count, operand)
                : zero_or_scaled<false, float, std::uint32_t>(y, x, count, operand);
}

bool zero_or_scaled_f64(const std::byte* y, const std::int8_t* x, std::size_t count, bool divide,
                        double operand) {
  return divide ? zero_or_scaled<true, double, std::uint64_t>(y, x, count, operand)
                : zero_or_scaled<false, double, std::uint64_t>(y, x, count, operand);
}

}  // namespace HWY_NAMESPACE
}  // namespace dropcheck
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dropcheck {

HWY_EXPORT(pack_any);
HWY_EXPORT(count_ones_of);
HWY_EXPORT(count_differing_of);
HWY_EXPORT(any_ones_of);
HWY_EXPORT(zero_or_scaled_f32);
HWY_EXPORT(zero_or_scaled_f64);

void pack_drops(const std::byte* data, std::uint64_t count, std::size_t element_size, DropMark mark,
                std::span<std::uint64_t> words) {
  DROPCHECK_CHECK(words.size() == (count + 63) / 64);
  DROPCHECK_CHECK(element_size == 2 || element_size == 4 || element_size == 8);
  HWY_DYNAMIC_DISPATCH(pack_any)(data, count, element_size, mark, words.data());
}

std::uint64_t count_ones(std::span<const std::uint64_t> words) {
  return HWY_DYNAMIC_DISPATCH(count_ones_of)(words.data(), words.size());
}

std::uint64_t count_differing(std::span<const std::uint64_t> a, std::span<const std::uint64_t> b) {
  DROPCHECK_CHECK(a.size() == b.size());
  return HWY_DYNAMIC_DISPATCH(count_differing_of)(a.data(), b.data(), a.size());
}

bool any_all_ones(const std::byte* data, std::uint64_t count, std::size_t element_size) {
  DROPCHECK_CHECK(element_size == 1 || element_size == 2 || element_size == 4 || element_size == 8 ||
                  element_size == 16);
  return HWY_DYNAMIC_DISPATCH(any_ones_of)(data, count, element_size);
}

bool all_zero_or_scaled(const std::byte* y, std::span<const std::int8_t> x, std::size_t element_size,
                        ScaledInteger scale) {
  DROPCHECK_CHECK(element_size == 4 || element_size == 8);
  if (element_size == 4)
    return HWY_DYNAMIC_DISPATCH(zero_or_scaled_f32)(y, x.data(), x.size(), scale.divide,
                                                    static_cast<float>(scale.operand));
  return HWY_DYNAMIC_DISPATCH(zero_or_scaled_f64)(y, x.data(), x.size(), scale.divide, scale.operand);
}

}  // namespace dropcheck
#endif
