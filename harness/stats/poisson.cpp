#include "harness/stats/poisson.hpp"

#include <algorithm>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <numbers>

#include "harness/stats/deviance.hpp"
#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

double upper_tail(double mean, std::uint64_t x) {
  return x == 0 ? 1.0 : boost::math::gamma_p(exact_double(x), mean);
}
double lower_tail(double mean, std::uint64_t x) { return boost::math::gamma_q(exact_double(x) + 1.0, mean); }

}  // namespace

Tail poisson_two_sided(double mean, std::uint64_t x) {
  require(mean > 0.0 && std::isfinite(mean), "mean > 0");
  const double p_value = std::min(1.0, 2.0 * std::min(lower_tail(mean, x), upper_tail(mean, x)));
  if (p_value >= kSmallestExactTail) return tail_from_p(p_value, "poisson_exact");
  const double ln_bound = std::numbers::ln2 - mean * entropy_excess((exact_double(x) - mean) / mean);
  return tail_below_exact(p_value, ln_bound, "poisson_chernoff");
}

double poisson_min_effect(double mean, double alpha, double beta) {
  require_error_rates(alpha, beta);
  require(mean > 0.0 && std::isfinite(mean), "mean > 0");
  std::uint64_t accepted = 0, rejected = static_cast<std::uint64_t>(mean) + 1;
  while (upper_tail(mean, rejected) > alpha / 2) {
    accepted = rejected;
    rejected += rejected / 2 + 8;
  }
  while (rejected - accepted > 1) {
    const std::uint64_t middle = accepted + (rejected - accepted) / 2;
    (upper_tail(mean, middle) <= alpha / 2 ? rejected : accepted) = middle;
  }
  // P(X <= rejected - 1) = beta
  return boost::math::gamma_q_inv(exact_double(rejected), beta) / mean - 1.0;
}

double poisson_min_mean(double effect, double alpha, double beta) {
  require(effect > 0.0, "effect > 0");
  // Power is saw-toothed in the mean with teeth one count high.
  const auto enough = [&](double mean) {
    return poisson_min_effect(mean, alpha, beta) + 1.0 / mean <= effect;
  };
  double high = 1.0;
  while (!enough(high)) high *= 2;
  double low = high / 2;
  while (high - low > high * 0x1p-20) {
    const double middle = low + (high - low) / 2;
    (enough(middle) ? high : low) = middle;
  }
  return high;
}

}  // namespace dropcheck::stats
