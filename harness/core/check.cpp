#include "harness/core/check.hpp"

#include <algorithm>
#include <cmath>

namespace dropcheck {

double effect_scale(EffectScale scale, double p) {
  const double q = 1 - p;
  switch (scale) {
    case EffectScale::none: return 1;
    case EffectScale::rate: return std::sqrt(p * q / 0.09);
    case EffectScale::variance: return p * q / 0.09;
    case EffectScale::pairs: return std::sqrt(p * p * (1 - p * p) / 0.0099);
    case EffectScale::odds: return 3 * std::sqrt(p / q);
    case EffectScale::run: return std::log(0.9) / std::log(std::max(p, q));
  }
  return 1;
}

}  // namespace dropcheck
