#include "harness/stats/deviance.hpp"

#include <boost/math/special_functions/factorials.hpp>
#include <boost/math/special_functions/log1p.hpp>
#include <cmath>
#include <numbers>

#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {

double entropy_excess(double u) {
  require(u >= -1.0, "relative deviation >= -1");
  if (u == -1.0) return 1.0;
  if (std::abs(u) < 0.5) return (1.0 + u) * boost::math::log1pmx(u) + u * u;
  return (1.0 + u) * std::log1p(u) - u;  // no cancellation here, and u^2 would overflow for large u
}

double bernoulli_divergence(double p, double q, double e) {
  // Rounding may carry e past an end of the range by an ulp; the ends themselves are e = -p and e = q.
  const double down = e < -p ? -p : e;
  const double inside = down > q ? q : down;
  return p * entropy_excess(inside / p) + q * entropy_excess(-inside / q);
}

double stirling_error(double k) {
  require(k >= 1.0, "Stirling's formula needs k >= 1");
  constexpr double kSeriesFrom = 32.0;  // the first term left out is below 1e-16 there
  if (k < kSeriesFrom && k == std::floor(k)) {
    const long double x = static_cast<long double>(k);
    const long double factorial = boost::math::factorial<long double>(static_cast<unsigned>(k));
    const long double leading =
        (x + 0.5L) * std::log(x) - x + 0.5L * std::log(2.0L * std::numbers::pi_v<long double>);
    return static_cast<double>(std::log(factorial) - leading);
  }
  require(k >= kSeriesFrom, "k is an integer or at least 32");
  const double r = 1.0 / (k * k);
  return (1.0 / 12 - r * (1.0 / 360 - r * (1.0 / 1260 - r * (1.0 / 1680 - r / 1188)))) / k;
}

}  // namespace dropcheck::stats
