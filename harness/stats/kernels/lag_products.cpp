#include "harness/stats/kernels/lag_products.hpp"

#include <algorithm>

#include "harness/stats/preconditions.hpp"

#ifndef HWY_WANT_AVX3_DL
#define HWY_WANT_AVX3_DL
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "harness/stats/kernels/lag_products.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for every instruction set
#include <hwy/highway.h>

#include "harness/stats/kernels/tally-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dropcheck::stats::kernels {
namespace HWY_NAMESPACE {

constexpr std::size_t kTogether = 4;  // lags that share their loads

/// Takes each lane from a pair of neighbouring words, `shift` (1 to 63) bits on.
class Shifter {
 public:
#if HWY_TARGET == HWY_AVX3_DL  // has one instruction for it, which Highway does not name
  explicit Shifter(unsigned shift) : shift_(hn::Set(Words(), shift)) {}
  HWY_INLINE WordVector operator()(WordVector here, WordVector next) const {
    return WordVector{_mm512_shrdv_epi64(here.raw, next.raw, shift_.raw)};
  }

 private:
  WordVector shift_;
#else
  explicit Shifter(unsigned shift) : right_(static_cast<int>(shift)), left_(64 - static_cast<int>(shift)) {}
  HWY_INLINE WordVector operator()(WordVector here, WordVector next) const {
    return hn::Or(hn::ShiftRightSame(here, right_), hn::ShiftLeftSame(next, left_));
  }

 private:
  int right_, left_;
#endif
};

/// n11[k] += for the lag of `whole` words and shifts[k] bits, 1 to 63.
template <bool kWithinWord>
HWY_INLINE void add_shifted(const std::uint64_t* words, std::size_t size, std::size_t whole,
                            const unsigned* shifts, std::uint64_t* n11) {
  const Words d;
  const std::size_t lanes = hn::Lanes(d);
  const Shifter shift0(shifts[0]), shift1(shifts[1]), shift2(shifts[2]), shift3(shifts[3]);
  WordVector s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  std::size_t i = 0;
  const std::size_t reach = whole + lanes;  // of a step: it reads words[i + reach] last
  while (i + reach < size) {
    const std::size_t steps = std::min((size - reach - i + lanes - 1) / lanes, kPartialVectors);
    Partial p0 = no_ones(), p1 = p0, p2 = p0, p3 = p0;
    for (std::size_t s = 0; s < steps; ++s, i += lanes) {
      const WordVector x = hn::LoadU(d, words + i);
      const WordVector here = kWithinWord ? x : hn::LoadU(d, words + i + whole);
      const WordVector next = hn::LoadU(d, words + i + whole + 1);
      p0 = with_ones(p0, hn::And(x, shift0(here, next)));
      p1 = with_ones(p1, hn::And(x, shift1(here, next)));
      p2 = with_ones(p2, hn::And(x, shift2(here, next)));
      p3 = with_ones(p3, hn::And(x, shift3(here, next)));
    }
    s0 = hn::Add(s0, widen(p0));
    s1 = hn::Add(s1, widen(p1));
    s2 = hn::Add(s2, widen(p2));
    s3 = hn::Add(s3, widen(p3));
  }
  n11[0] += total(s0);
  n11[1] += total(s1);
  n11[2] += total(s2);
  n11[3] += total(s3);
  for (; i + whole < size; ++i) {
    const std::uint64_t x = words[i], here = words[i + whole];
    const std::uint64_t next = i + whole + 1 < size ? words[i + whole + 1] : 0;
    for (std::size_t k = 0; k < kTogether; ++k)
      n11[k] += count_word(x & (here >> shifts[k] | next << (64 - shifts[k])));
  }
}

/// The same for a lag of whole words.
HWY_INLINE std::uint64_t aligned(const std::uint64_t* words, std::size_t size, std::size_t whole) {
  const Words d;
  const std::size_t lanes = hn::Lanes(d), pairs = size - whole;
  WordVector sum = hn::Zero(d);
  std::size_t i = 0;
  while (pairs - i >= 2 * lanes) {
    const std::size_t steps = std::min((pairs - i) / (2 * lanes), kPartialVectors);
    Partial even = no_ones(), odd = no_ones();
    for (std::size_t s = 0; s < steps; ++s, i += 2 * lanes) {
      even = with_ones(even, hn::And(hn::LoadU(d, words + i), hn::LoadU(d, words + i + whole)));
      odd = with_ones(odd, hn::And(hn::LoadU(d, words + i + lanes), hn::LoadU(d, words + i + lanes + whole)));
    }
    sum = hn::Add(sum, hn::Add(widen(even), widen(odd)));
  }
  std::uint64_t n11 = total(sum);
  for (; i < pairs; ++i) n11 += count_word(words[i] & words[i + whole]);
  return n11;
}

void add_lag_products(const std::uint64_t* words, std::size_t size, const std::uint32_t* lags,
                      std::size_t count, std::uint64_t* n11) {
  for (std::size_t k = 0; k < count;) {
    const std::size_t whole = lags[k] / 64;
    if (whole >= size) {
      ++k;
      continue;
    }
    if (lags[k] % 64 == 0) {
      n11[k] += aligned(words, size, whole);
      ++k;
      continue;
    }
    // A group that is not full repeats its first shift, to no effect.
    unsigned shifts[kTogether];
    std::uint64_t products[kTogether] = {};
    std::size_t members = 0;
    for (; members < kTogether && k + members < count; ++members) {
      const std::uint32_t lag = lags[k + members];
      if (lag / 64 != whole || lag % 64 == 0) break;
      shifts[members] = lag % 64;
    }
    for (std::size_t m = members; m < kTogether; ++m) shifts[m] = shifts[0];
    if (whole == 0) add_shifted<true>(words, size, whole, shifts, products);
    else add_shifted<false>(words, size, whole, shifts, products);
    for (std::size_t m = 0; m < members; ++m) n11[k + m] += products[m];
    k += members;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace dropcheck::stats::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dropcheck::stats::kernels {

HWY_EXPORT(add_lag_products);

void lag_products(std::span<const std::uint64_t> words, std::uint64_t size,
                  std::span<const std::uint32_t> lags, std::span<std::uint64_t> n11) {
  require(n11.size() == lags.size(), "one count per lag");
  require(words.size() >= (size + 63) / 64, "words that hold all bits");
  // Pairs whose later member lies past the size have a 0 there.
  HWY_DYNAMIC_DISPATCH(add_lag_products)
  (words.data(), (size + 63) / 64, lags.data(), lags.size(), n11.data());
}

}  // namespace dropcheck::stats::kernels
#endif
