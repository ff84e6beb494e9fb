#include "harness/stats/kernels/power_spectra.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "harness/stats/kernels/power_spectra.cpp"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/aligned_allocator.h>
#include <hwy/highway.h>

#ifndef DROPCHECK_STATS_KERNELS_POWER_SPECTRA_TABLES
#define DROPCHECK_STATS_KERNELS_POWER_SPECTRA_TABLES
namespace dropcheck::stats::kernels {

// exp(-2 pi i k / 4096) for all k.
struct Roots {
  std::array<double, kSpectrumBits> re, im;
  Roots() {
    for (std::size_t k = 0; k < kSpectrumBits; ++k) {
      const double angle =
          -2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(kSpectrumBits);
      re[k] = std::cos(angle);
      im[k] = std::sin(angle);
    }
  }
};

inline const Roots& roots() {
  static const Roots made;
  return made;
}

}  // namespace dropcheck::stats::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace dropcheck::stats::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// One stage of decimation in frequency by fours: groups of n points from `begin` to `end` become four groups
// each.
template <class D>
HWY_INLINE void Stage(D d, std::size_t n, std::size_t begin, std::size_t end, double* re, double* im) {
  const std::size_t lanes = hn::Lanes(d);
  const Roots& root = roots();
  const std::size_t quarter = n / 4, step = kSpectrumBits / n, q = quarter * lanes;
  for (std::size_t k = 0; k < quarter; ++k) {
    const auto re1 = hn::Set(d, root.re[k * step]), im1 = hn::Set(d, root.im[k * step]);
    const auto re2 = hn::Set(d, root.re[2 * k * step]), im2 = hn::Set(d, root.im[2 * k * step]);
    const auto re3 = hn::Set(d, root.re[3 * k * step]), im3 = hn::Set(d, root.im[3 * k * step]);
    for (std::size_t group = begin; group < end; group += n) {
      double* const r = re + (group + k) * lanes;
      double* const i = im + (group + k) * lanes;
      const auto r0 = hn::Load(d, r), r1 = hn::Load(d, r + q), r2 = hn::Load(d, r + 2 * q),
                 r3 = hn::Load(d, r + 3 * q);
      const auto i0 = hn::Load(d, i), i1 = hn::Load(d, i + q), i2 = hn::Load(d, i + 2 * q),
                 i3 = hn::Load(d, i + 3 * q);
      const auto even_r = hn::Add(r0, r2), even_i = hn::Add(i0, i2);
      const auto odd_r = hn::Add(r1, r3), odd_i = hn::Add(i1, i3);
      const auto left_r = hn::Sub(r0, r2), left_i = hn::Sub(i0, i2);
      const auto right_r = hn::Sub(i1, i3), right_i = hn::Sub(r3, r1);  // (x1 - x3) times -i
      hn::Store(hn::Add(even_r, odd_r), d, r);
      hn::Store(hn::Add(even_i, odd_i), d, i);
      const auto a_r = hn::Add(left_r, right_r), a_i = hn::Add(left_i, right_i);
      hn::Store(hn::NegMulAdd(a_i, im1, hn::Mul(a_r, re1)), d, r + q);
      hn::Store(hn::MulAdd(a_i, re1, hn::Mul(a_r, im1)), d, i + q);
      const auto b_r = hn::Sub(even_r, odd_r), b_i = hn::Sub(even_i, odd_i);
      hn::Store(hn::NegMulAdd(b_i, im2, hn::Mul(b_r, re2)), d, r + 2 * q);
      hn::Store(hn::MulAdd(b_i, re2, hn::Mul(b_r, im2)), d, i + 2 * q);
      const auto c_r = hn::Sub(left_r, right_r), c_i = hn::Sub(left_i, right_i);
      hn::Store(hn::NegMulAdd(c_i, im3, hn::Mul(c_r, re3)), d, r + 3 * q);
      hn::Store(hn::MulAdd(c_i, re3, hn::Mul(c_r, im3)), d, i + 3 * q);
    }
  }
}

// In place: the six base-4 digits of the result's index come out reversed.
template <class D>
void Transform(D d, double* re, double* im) {
  constexpr std::size_t kNear = 256;  // points of a group that fits the first-level cache
  std::size_t n = kSpectrumBits;
  for (; n > kNear; n /= 4) Stage(d, n, 0, kSpectrumBits, re, im);
  for (std::size_t group = 0; group < kSpectrumBits; group += n)
    for (std::size_t m = n; m > 1; m /= 4) Stage(d, m, group, group + n, re, im);
}

// sums[position] += squared magnitudes of the transform of x + i y, two blocks a lane, at reversed positions.
void AddSquares(const std::uint64_t* const* blocks, std::size_t count, double* sums) {
  const hn::ScalableTag<double> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const std::size_t lanes = hn::Lanes(d);
  const auto re = hwy::AllocateAligned<double>(kSpectrumBits * lanes);
  const auto im = hwy::AllocateAligned<double>(kSpectrumBits * lanes);
  const auto squares = hwy::AllocateAligned<double>(kSpectrumBits * lanes);
  const auto words = hwy::AllocateAligned<std::uint64_t>(2 * lanes);
  const auto one = hn::Set(d, 1.0);
  const auto lowest = hn::Set(du, std::uint64_t{1});
  std::fill_n(squares.get(), kSpectrumBits * lanes, 0.0);
  for (std::size_t from = 0; from < count; from += 2 * lanes) {
    for (std::size_t w = 0; w < kSpectrumBits / 64; ++w) {
      for (std::size_t b = 0; b < 2 * lanes; ++b) words[b] = from + b < count ? blocks[from + b][w] : 0;
      auto x = hn::Load(du, words.get()), y = hn::Load(du, words.get() + lanes);
      for (std::size_t t = 64 * w; t < 64 * (w + 1); ++t) {
        hn::Store(hn::IfThenElseZero(hn::RebindMask(d, hn::TestBit(x, lowest)), one), d, &re[t * lanes]);
        hn::Store(hn::IfThenElseZero(hn::RebindMask(d, hn::TestBit(y, lowest)), one), d, &im[t * lanes]);
        x = hn::ShiftRight<1>(x);
        y = hn::ShiftRight<1>(y);
      }
    }
    Transform(d, re.get(), im.get());
    for (std::size_t at = 0; at < kSpectrumBits * lanes; at += lanes) {
      const auto r = hn::Load(d, &re[at]), i = hn::Load(d, &im[at]);
      hn::Store(hn::MulAdd(r, r, hn::MulAdd(i, i, hn::Load(d, &squares[at]))), d, &squares[at]);
    }
  }
  for (std::size_t at = 0; at < kSpectrumBits; ++at)
    sums[at] += hn::GetLane(hn::SumOfLanes(d, hn::Load(d, &squares[at * lanes])));
}

}  // namespace dropcheck::stats::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dropcheck::stats::kernels {
namespace {

std::size_t digits_reversed(std::size_t index) {
  std::size_t reversed = 0;
  for (std::size_t n = kSpectrumBits; n > 1; n /= 4, index /= 4) reversed = 4 * reversed + index % 4;
  return reversed;
}

}  // namespace

HWY_EXPORT(AddSquares);

void add_power_spectra(std::span<const std::uint64_t* const> blocks,
                       std::span<double, kSpectrumBits / 2 + 1> powers) {
  std::vector<double> sums(kSpectrumBits, 0.0);
  HWY_DYNAMIC_DISPATCH(AddSquares)(blocks.data(), blocks.size(), sums.data());
  // For real x and y with transforms X and Y, |X_j|^2 + |Y_j|^2 is the mean of |X + iY|^2 at j and at -j.
  for (std::size_t j = 0; j < powers.size(); ++j)
    powers[j] += (sums[digits_reversed(j)] + sums[digits_reversed((kSpectrumBits - j) % kSpectrumBits)]) / 2;
}

}  // namespace dropcheck::stats::kernels
#endif
