#pragma once
// Random bits of any rate, fast enough for millions of masks. It shares nothing with the streams that are
// judged, nor with the reference's.

#include <array>
#include <cstdint>

#include "harness/core/mask_bits.hpp"

namespace dropcheck::suites::calibration {

/// xoshiro256++ (Blackman & Vigna 2021), seeded through SplitMix64. Equal seeds give equal bits on every
/// machine.
class BitSource {
 public:
  explicit BitSource(std::uint64_t seed);

  std::uint64_t word() {
    const std::uint64_t sum = state_[0] + state_[3];
    const std::uint64_t result = ((sum << 23) | (sum >> 41)) + state_[0];
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = (state_[3] << 45) | (state_[3] >> 19);
    return result;
  }
  /// In (0,1), a multiple of 2^-53 plus 2^-54.
  double uniform();
  /// 0 to n - 1, n > 0; exactly uniform (Lemire 2019).
  std::uint64_t below(std::uint64_t n);
  /// Standard normal and Gamma(shape, 1), shape > 0 (Marsaglia & Tsang 2000).
  double normal();
  double gamma(double shape);

 private:
  std::array<std::uint64_t, 4> state_;
};

/// A probability in [0,1] as T / 2^64, the nearest below 1.
class Rate {
 public:
  explicit Rate(double p);
  bool one(BitSource& source) const { return source.word() < threshold_; }
  /// 64 independent bits: uniform numbers are compared with T from their first bit on, all 64 at a time,
  /// until none is undecided. About 7 words of the source; 1 for p = 1/2.
  std::uint64_t word(BitSource& source) const;

 private:
  std::uint64_t threshold_;
};

/// Every bit of the mask independent with that rate; bits [begin, end) only, in the second form.
void fill(MaskBits& mask, const Rate& rate, BitSource& source);
void fill(MaskBits& mask, std::uint64_t begin, std::uint64_t end, const Rate& rate, BitSource& source);

}  // namespace dropcheck::suites::calibration
