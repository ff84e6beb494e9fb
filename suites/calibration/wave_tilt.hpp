#pragma once
// A rate that goes up and down with the position, its phase new in every block: what a spectrum looks for.

#include <vector>

#include "suites/calibration/tilts.hpp"

namespace dropcheck::suites::calibration {

/// In each block of `block` entries the logit of the rate is moved by amplitude * cos(2 pi (cycles t / block
/// + phase)), the phase one of 16, drawn for each block; one component for each amplitude. `size` is whole
/// blocks, a block whole words.
class WaveTilt final : public Tilt {
 public:
  WaveTilt(std::uint64_t size, std::uint64_t block, std::uint64_t cycles, double p,
           const std::vector<double>& amplitudes);
  std::size_t components() const override { return amplitudes_; }
  using Tilt::draw;
  void draw(BitSource& source, MaskBits& mask, std::size_t component) const override;
  double log_ratio(const MaskBits& mask) const override;

 private:
  struct Wave {  // one amplitude and phase
    std::vector<double> rates;
    std::vector<double> drop_over_keep;  // ln of the ratio for a drop, less that for a keep
    double keeps = 0;                    // ln of the ratio if all are kept
  };
  std::uint64_t block_;
  std::size_t amplitudes_;
  std::vector<Wave> waves_;  // [amplitude][phase]
};

}  // namespace dropcheck::suites::calibration
