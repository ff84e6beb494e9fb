#include "suites/calibration/bit_source.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "harness/core/integer.hpp"
#include "harness/stats/randomised_pit.hpp"

namespace dropcheck::suites::calibration {

BitSource::BitSource(std::uint64_t seed) : state_{} {
  for (std::size_t i = 0; i < state_.size(); ++i) state_[i] = stats::derived_key(seed, i);
  if (state_ == std::array<std::uint64_t, 4>{}) state_[0] = 1;  // the one state that never leaves itself
}

double BitSource::uniform() { return (static_cast<double>(word() >> 11) + 0.5) * 0x1p-53; }

std::uint64_t BitSource::below(std::uint64_t n) {
  UInt128 product = static_cast<UInt128>(word()) * n;
  if (static_cast<std::uint64_t>(product) < n) {
    const std::uint64_t unfair = (0 - n) % n;
    while (static_cast<std::uint64_t>(product) < unfair) product = static_cast<UInt128>(word()) * n;
  }
  return static_cast<std::uint64_t>(product >> 64);
}

double BitSource::normal() {  // Box & Muller 1958
  const double radius = std::sqrt(-2 * std::log(uniform()));
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

double BitSource::gamma(double shape) {
  if (shape < 1) return gamma(shape + 1) * std::pow(uniform(), 1 / shape);
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = normal(), t = 1 + c * x;
    if (t <= 0) continue;
    const double v = t * t * t;
    if (std::log(uniform()) < x * x / 2 + d - d * v + d * std::log(v)) return d * v;
  }
}

Rate::Rate(double p) {
  // 2^64 itself does not fit: a rate of 1 is 2^-64 short of it.
  const double scaled = std::ldexp(p, 64);
  threshold_ = scaled >= 0x1p64 ? ~std::uint64_t{0} : static_cast<std::uint64_t>(std::max(scaled, 0.0));
}

std::uint64_t Rate::word(BitSource& source) const {
  std::uint64_t result = 0, undecided = ~std::uint64_t{0};
  for (std::uint64_t rest = threshold_; rest != 0 && undecided != 0; rest <<= 1) {
    const std::uint64_t random = source.word();
    if ((rest >> 63) != 0) {
      result |= undecided & ~random;
      undecided &= random;
    } else {
      undecided &= ~random;
    }
  }
  return result;
}

void fill(MaskBits& mask, const Rate& rate, BitSource& source) {
  for (std::uint64_t& w : mask.words()) w = rate.word(source);
  if (mask.tail_length() % 64 != 0) mask.words().back() &= (std::uint64_t{1} << mask.tail_length()) - 1;
}

void fill(MaskBits& mask, std::uint64_t begin, std::uint64_t end, const Rate& rate, BitSource& source) {
  for (std::uint64_t w = begin / 64; w * 64 < end; ++w) {
    std::uint64_t keep = 0;  // bits of this word outside [begin, end)
    if (w * 64 < begin) keep |= (std::uint64_t{1} << (begin % 64)) - 1;
    if (end - w * 64 < 64) keep |= ~std::uint64_t{0} << (end % 64);
    std::uint64_t& word = mask.words()[w];
    word = (word & keep) | (rate.word(source) & ~keep);
  }
}

}  // namespace dropcheck::suites::calibration
