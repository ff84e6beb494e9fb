#include "harness/stats/bernstein.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

constexpr const char* kEngine = "bernstein";

struct Bound {
  double variance;  // of U
  double range;     // max|w| max(p,q) / 3
};

Bound bound_of(const WeightedSum& s) {
  require(s.p >= 0.0 && s.p <= 1.0, "0 <= p <= 1");
  require(s.sum_squares >= 0.0 && std::isfinite(s.sum_squares), "sum of squares >= 0");
  require(s.max_abs >= 0.0 && std::isfinite(s.max_abs), "largest weight >= 0");
  const double q = 1.0 - s.p;
  return {s.p * q * s.sum_squares, s.max_abs * std::max(s.p, q) / 3.0};
}

}  // namespace

Tail bernstein_two_sided(const WeightedSum& s) {
  const Bound bound = bound_of(s);
  require(std::isfinite(s.deviation), "the sum is finite");
  const double t = std::abs(s.deviation);
  if (t == 0.0) return tail_from_p(1.0, kEngine);
  if (bound.variance == 0.0) return impossible_event(kEngine);
  return tail_from_ln(std::numbers::ln2 - t / 2.0 * (t / (bound.variance + bound.range * t)), kEngine);
}

double bernstein_threshold(const WeightedSum& s, double alpha) {
  require(alpha > 0.0 && alpha < 1.0, "0 < alpha < 1");
  const Bound bound = bound_of(s);
  if (bound.variance == 0.0) return 0.0;
  const double depth = std::log(2.0 / alpha);
  const double linear = depth * bound.range;  // t^2 - 2 linear t - 2 depth variance = 0
  return linear + std::sqrt(linear * linear + 2.0 * depth * bound.variance);
}

double bernstein_min_effect(const WeightedSum& s, double alpha, double beta) {
  return bernstein_threshold(s, alpha) + bernstein_threshold(s, beta);
}

std::uint64_t bernstein_min_samples(double relative_effect, double alpha, double beta, double p) {
  require(relative_effect > 0.0 && relative_effect < 1.0, "0 < effect < 1");
  constexpr std::uint64_t kMost = std::uint64_t{1} << 53;
  const auto enough = [&](std::uint64_t n) {
    const double weights = exact_double(n);
    const WeightedSum unit{.deviation = 0.0, .sum_squares = weights, .max_abs = 1.0, .p = p};
    return bernstein_min_effect(unit, alpha, beta) <= weights * relative_effect;
  };
  if (!enough(kMost)) return std::numeric_limits<std::uint64_t>::max();
  std::uint64_t low = 0;
  std::uint64_t high = kMost;  // the effect per weight falls with n, so the crossing is unique
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    (enough(middle) ? high : low) = middle;
  }
  return high;
}

}  // namespace dropcheck::stats
