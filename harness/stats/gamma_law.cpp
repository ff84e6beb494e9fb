#include "harness/stats/gamma_law.hpp"

#include <algorithm>
#include <boost/math/distributions/gamma.hpp>
#include <boost/math/special_functions/log1p.hpp>
#include <cmath>
#include <numbers>

#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

using Gamma = boost::math::gamma_distribution<double>;

Gamma boost_law(const GammaLaw& law) {
  require(law.mean > 0.0 && law.variance > 0.0 && std::isfinite(law.mean) && std::isfinite(law.variance),
          "positive mean and variance");
  return Gamma(law.mean * law.mean / law.variance, law.variance / law.mean);
}

// r - 1 - ln r without cancellation next to 1.
double rate(double r) {
  const double u = r - 1.0;
  return std::abs(u) < 0.5 ? -boost::math::log1pmx(u) : u - std::log(r);
}

}  // namespace

Tail gamma_two_sided(const GammaLaw& law, double x) {
  const Gamma gamma = boost_law(law);
  require(x >= 0.0 && !std::isnan(x), "a sum of positive terms");
  if (x == 0.0 || std::isinf(x)) return impossible_event("gamma");
  const double lower = boost::math::cdf(gamma, x);
  const double upper = boost::math::cdf(boost::math::complement(gamma, x));
  const double p_value = std::min(1.0, 2.0 * std::min(lower, upper));
  if (p_value >= kSmallestExactTail) return tail_from_p(p_value, "gamma");
  return tail_below_exact(p_value, std::numbers::ln2 - gamma.shape() * rate(x / law.mean), "gamma_chernoff");
}

double gamma_upper_quantile(const GammaLaw& law, double tail) {
  require(tail > 0.0 && tail < 1.0, "0 < tail < 1");
  return boost::math::quantile(boost::math::complement(boost_law(law), tail));
}

double gamma_lower_quantile(const GammaLaw& law, double tail) {
  require(tail > 0.0 && tail < 1.0, "0 < tail < 1");
  return boost::math::quantile(boost_law(law), tail);
}

}  // namespace dropcheck::stats
