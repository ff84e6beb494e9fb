#include "harness/stats/character_sum.hpp"

#include <boost/math/distributions/gamma.hpp>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <limits>
#include <map>

#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

constexpr std::uint64_t kMaxTerms = std::uint64_t{1} << 53;

}  // namespace

double skewed_quantile(double gamma, double tail) {
  require(gamma >= 0.0 && std::isfinite(gamma), "0 <= skewness");
  require(tail > 0.0 && tail < 1.0, "0 < tail < 1");
  const double z =
      boost::math::quantile(boost::math::complement(boost::math::normal_distribution<double>(), tail));
  // Cornish & Fisher 1938, for a chi-squared law; the terms left out are below 1e-7 to a tail of 1e-15.
  // Boost's inverse gives up at shapes above 1e10.
  if (gamma < 0.01) {
    const double s = z * z;
    return z + gamma * ((s - 1) / 6 + gamma * (z * (s - 7) / 144 - gamma * ((3 * s + 7) * s - 16) / 6480));
  }
  const double shape = 4 / (gamma * gamma);
  const boost::math::gamma_distribution<double> law(shape);
  return (boost::math::quantile(boost::math::complement(law, tail)) - shape) / std::sqrt(shape);
}

double character_min_effect(std::uint64_t n, double gamma, double alpha, double beta) {
  require_error_rates(alpha, beta);
  require(std::isfinite(gamma), "finite skewness");
  if (n == 0) return std::numeric_limits<double>::infinity();
  const double terms = exact_double(n);
  const double root = std::sqrt(terms);
  const double critical = skewed_quantile(std::abs(gamma), alpha / 2);
  const double term_skewness = std::abs(gamma) * root;
  const double z =
      boost::math::quantile(boost::math::complement(boost::math::normal_distribution<double>(), beta));
  // (e root - critical)^2 = z^2 (1 + term_skewness e - e^2), the root on the side of z's sign.
  const double square = terms + z * z;
  const double half_linear = critical * root + z * z * term_skewness / 2;
  const double inside = 4 * critical * root * term_skewness + z * z * term_skewness * term_skewness +
                        4 * terms - 4 * critical * critical + 4 * z * z;
  if (inside < 0) return std::numeric_limits<double>::infinity();
  return (half_linear + z * std::sqrt(inside) / 2) / square;
}

std::uint64_t character_min_samples(double effect, double alpha, double beta, double term_skewness) {
  require(effect > 0.0, "effect > 0");
  const auto enough = [&](std::uint64_t n) {
    return character_min_effect(n, term_skewness / std::sqrt(exact_double(n)), alpha, beta) <= effect;
  };
  if (!enough(kMaxTerms)) return std::numeric_limits<std::uint64_t>::max();
  std::uint64_t low = 0;  // never enough
  std::uint64_t high = 1;
  while (!enough(high)) {
    low = high;
    high *= 2;
  }
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    (enough(middle) ? high : low) = middle;
  }
  return high;
}

double character_quartic(std::span<const std::uint32_t> offsets, double skewness, double kurtosis) {
  require(kurtosis >= 1.0 && std::isfinite(skewness), "kurtosis >= 1");
  std::map<std::int64_t, int> shared;  // shift to number of common factors
  for (const std::uint32_t a : offsets)
    for (const std::uint32_t b : offsets)
      if (a != b) ++shared[static_cast<std::int64_t>(a) - static_cast<std::int64_t>(b)];
  const double factors = static_cast<double>(offsets.size());
  double sum = std::pow(kurtosis, factors) - 3 - 3 * std::pow(skewness * skewness, factors);
  for (const auto& [shift, common] : shared) sum += 3 * (std::pow(kurtosis, common) - 1);
  return sum;
}

double bit_kurtosis(double p) {
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  return 1 / (p * (1 - p)) - 3;
}

double bit_skewness(double p) {
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  return (1 - 2 * p) / std::sqrt(p * (1 - p));
}

}  // namespace dropcheck::stats
