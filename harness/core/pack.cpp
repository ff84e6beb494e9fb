#include "harness/core/pack.hpp"

#include <algorithm>
#include <cstring>

#include "harness/core/element.hpp"
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
HWY_INLINE bool pack(const std::byte* data, std::size_t count, std::uint64_t* words) {
  constexpr Word kOnes = static_cast<Word>(~Word{0});
  bool any_ones = false;
  std::size_t base = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::CappedTag<Word, 64> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto ones = hn::Set(d, kOnes);
  auto found = hn::Zero(d);  // a lane has set bits where it ever was all ones
  for (; base + 64 <= count; base += 64) {
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < 64; i += lanes) {
      const auto v = load(d, data, base + i);
      bits |= bits_of(d, dropped<kMark>(d, v)) << i;
      found = hn::Or(found, hn::VecFromMask(d, hn::Eq(v, ones)));
    }
    words[base / 64] = bits;
  }
  any_ones = !hn::AllTrue(d, hn::Eq(found, hn::Zero(d)));
#endif
  for (; base < count; base += 64) {
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < std::min<std::size_t>(64, count - base); ++i) {
      const Word word = word_at<Word>(data, base + i);
      bits |= std::uint64_t{is_dropped<kMark>(word)} << i;
      any_ones |= word == kOnes;
    }
    words[base / 64] = bits;
  }
  return any_ones;
}

template <DropMark kMark>
HWY_INLINE bool pack_any(const std::byte* data, std::size_t count, std::size_t size, std::uint64_t* words) {
  switch (size) {
    case 2: return pack<kMark, std::uint16_t>(data, count, words);
    case 4: return pack<kMark, std::uint32_t>(data, count, words);
    default: return pack<kMark, std::uint64_t>(data, count, words);
  }
}

bool pack_zeros(const std::byte* data, std::size_t count, std::size_t size, std::uint64_t* words) {
  return pack_any<DropMark::zero>(data, count, size, words);
}

bool pack_negatives(const std::byte* data, std::size_t count, std::size_t size, std::uint64_t* words) {
  return pack_any<DropMark::negative>(data, count, size, words);
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

/// Floats rounded to nearest even in the half type: its bits, widened. Not all instruction sets convert to
/// f16, and where Highway does it without them it truncates.
template <DType kDType, class D>
HWY_INLINE hn::Vec<hn::RebindToUnsigned<D>> half_bits(D d, hn::Vec<D> value) {
  const hn::RebindToUnsigned<D> du;
  const hn::RebindToSigned<D> di;
  constexpr int kLostBits = kDType == DType::bf16 ? 16 : 13;
  const auto bits = hn::BitCast(du, value);
  const auto odd = hn::And(hn::ShiftRight<kLostBits>(bits), hn::Set(du, 1u));
  const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(du, (1u << (kLostBits - 1)) - 1)));
  if constexpr (kDType == DType::bf16) return hn::ShiftRight<16>(rounded);
  const auto sign = hn::And(bits, hn::Set(du, 0x80000000u));
  const auto normal = hn::Sub(hn::ShiftRight<13>(hn::Xor(rounded, sign)), hn::Set(du, 112u << 10));
  // Below 2^-14 the bits count steps of 2^-24, the last place of floats from 1/2 to 1. From 2^16 on all is
  // infinite.
  const auto shift = hn::Set(d, 0.75f);
  const auto steps = hn::Mul(hn::Sub(hn::Add(hn::Abs(value), shift), shift), hn::Set(d, 0x1p24f));
  const auto small = hn::BitCast(du, hn::ConvertTo(di, hn::Min(steps, hn::Set(d, 1024.0f))));
  const auto tiny = hn::Lt(hn::Xor(bits, sign), hn::Set(du, 0x38800000u));
  const auto magnitude = hn::IfThenElse(tiny, small, hn::Min(normal, hn::Set(du, 0x7c00u)));
  return hn::Or(hn::ShiftRight<16>(sign), magnitude);
}

template <DType kDType>
HWY_INLINE bool zero_or_scaled_half(const std::byte* y, const std::int8_t* x, std::size_t count, bool divide,
                                    float operand) {
  std::size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<float> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const hn::Rebind<std::uint16_t, decltype(d)> d16;
  const hn::Rebind<std::int32_t, decltype(d)> d32;
  const hn::Rebind<std::int8_t, decltype(d)> d8;
  const std::size_t lanes = hn::Lanes(d);
  const auto scale = hn::Set(d, operand);
  auto wrong = hn::Zero(du);
  for (; i + lanes <= count; i += lanes) {
    const auto value = hn::ConvertTo(d, hn::PromoteTo(d32, hn::LoadU(d8, x + i)));
    const auto expected = half_bits<kDType>(d, divide ? hn::Div(value, scale) : hn::Mul(value, scale));
    const auto out = hn::PromoteTo(du, load(d16, y, i));
    const auto is_zero = hn::Eq(hn::And(out, hn::Set(du, 0x7fffu)), hn::Zero(du));
    const auto fits = hn::Or(hn::VecFromMask(du, is_zero), hn::VecFromMask(du, hn::Eq(out, expected)));
    wrong = hn::Or(wrong, hn::Not(fits));
  }
  if (!hn::AllTrue(du, hn::Eq(wrong, hn::Zero(du)))) return false;
#endif
  for (; i < count; ++i) {
    const auto value = static_cast<float>(x[i]);
    std::byte bytes[8] = {};
    store_element(divide ? value / operand : value * operand, bytes, kDType);
    const std::uint64_t out = element_bits(y + 2 * i, kDType), expected = element_bits(bytes, kDType);
    if ((out & 0x7fffu) != 0 && out != expected) return false;
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

bool zero_or_scaled_f16(const std::byte* y, const std::int8_t* x, std::size_t count, bool divide,
                        float operand) {
  return zero_or_scaled_half<DType::f16>(y, x, count, divide, operand);
}

bool zero_or_scaled_bf16(const std::byte* y, const std::int8_t* x, std::size_t count, bool divide,
                         float operand) {
  return zero_or_scaled_half<DType::bf16>(y, x, count, divide, operand);
}

}  // namespace HWY_NAMESPACE
}  // namespace dropcheck
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dropcheck {

HWY_EXPORT(pack_zeros);
HWY_EXPORT(pack_negatives);
HWY_EXPORT(count_ones_of);
HWY_EXPORT(count_differing_of);
HWY_EXPORT(any_ones_of);
HWY_EXPORT(zero_or_scaled_f32);
HWY_EXPORT(zero_or_scaled_f64);
HWY_EXPORT(zero_or_scaled_f16);
HWY_EXPORT(zero_or_scaled_bf16);

bool pack_drops(const std::byte* data, std::uint64_t count, std::size_t element_size, DropMark mark,
                std::span<std::uint64_t> words) {
  DROPCHECK_CHECK(words.size() == (count + 63) / 64);
  DROPCHECK_CHECK(element_size == 2 || element_size == 4 || element_size == 8);
  return mark == DropMark::zero
             ? HWY_DYNAMIC_DISPATCH(pack_zeros)(data, count, element_size, words.data())
             : HWY_DYNAMIC_DISPATCH(pack_negatives)(data, count, element_size, words.data());
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

bool all_zero_or_scaled(const std::byte* y, std::span<const std::int8_t> x, DType dtype,
                        ScaledInteger scale) {
  const auto narrow = static_cast<float>(scale.operand);
  switch (dtype) {
    case DType::f64:
      return HWY_DYNAMIC_DISPATCH(zero_or_scaled_f64)(y, x.data(), x.size(), scale.divide, scale.operand);
    case DType::f32:
      return HWY_DYNAMIC_DISPATCH(zero_or_scaled_f32)(y, x.data(), x.size(), scale.divide, narrow);
    case DType::f16:
      return HWY_DYNAMIC_DISPATCH(zero_or_scaled_f16)(y, x.data(), x.size(), scale.divide, narrow);
    default:
      DROPCHECK_CHECK(dtype == DType::bf16);
      return HWY_DYNAMIC_DISPATCH(zero_or_scaled_bf16)(y, x.data(), x.size(), scale.divide, narrow);
  }
}

}  // namespace dropcheck
#endif
