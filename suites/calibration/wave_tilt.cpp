#include "suites/calibration/wave_tilt.hpp"

#include <bit>
#include <cmath>
#include <numbers>

#include "harness/core/invariant.hpp"
#include "suites/calibration/strengths.hpp"

namespace dropcheck::suites::calibration {
namespace {
constexpr std::size_t kPhases = 16;
}

WaveTilt::WaveTilt(std::uint64_t size, std::uint64_t block, std::uint64_t cycles, double p,
                   const std::vector<double>& amplitudes)
    : Tilt(size), block_(block), amplitudes_(amplitudes.size()) {
  DROPCHECK_CHECK(block % 64 == 0 && size % block == 0 && !amplitudes.empty());
  for (const double amplitude : amplitudes) {
    for (std::size_t phase = 0; phase < kPhases; ++phase) {
      Wave wave;
      for (std::uint64_t t = 0; t < block; ++t) {
        const double turns = static_cast<double>(cycles * t % block) / static_cast<double>(block) +
                             static_cast<double>(phase) / kPhases;
        const double rate = logit_shifted(p, amplitude * std::cos(2 * std::numbers::pi * turns));
        const double keep = std::log1p(-rate) - std::log1p(-p);
        wave.rates.push_back(rate);
        wave.drop_over_keep.push_back(std::log(rate / p) - keep);
        wave.keeps += keep;
      }
      waves_.push_back(std::move(wave));
    }
  }
}

void WaveTilt::draw(BitSource& source, MaskBits& mask, std::size_t component) const {
  for (std::uint64_t begin = 0; begin < size(); begin += block_) {
    const Wave& wave = waves_[component * kPhases + source.below(kPhases)];
    for (std::uint64_t w = 0; w < block_ / 64; ++w) {
      std::uint64_t word = 0;
      for (unsigned i = 0; i < 64; ++i)
        word |= static_cast<std::uint64_t>(source.uniform() < wave.rates[w * 64 + i]) << i;
      mask.words()[begin / 64 + w] = word;
    }
  }
}

double WaveTilt::log_ratio(const MaskBits& mask) const {
  std::vector<double> over_amplitudes(amplitudes_, 0), over_phases(kPhases);
  for (std::uint64_t begin = 0; begin < size(); begin += block_) {
    for (std::size_t a = 0; a < amplitudes_; ++a) {
      for (std::size_t phase = 0; phase < kPhases; ++phase) {
        const Wave& wave = waves_[a * kPhases + phase];
        double sum = wave.keeps;
        for (std::uint64_t w = 0; w < block_ / 64; ++w)
          for (std::uint64_t word = mask.words()[begin / 64 + w]; word != 0; word &= word - 1)
            sum += wave.drop_over_keep[w * 64 + static_cast<std::uint64_t>(std::countr_zero(word))];
        over_phases[phase] = sum;
      }
      over_amplitudes[a] += log_sum_exp(over_phases) - std::log(static_cast<double>(kPhases));
    }
  }
  return log_sum_exp(over_amplitudes) - std::log(static_cast<double>(amplitudes_));
}

}  // namespace dropcheck::suites::calibration
