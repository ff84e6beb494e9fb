#include "harness/stats/overlap_law.hpp"

#include <algorithm>
#include <cmath>

#include "harness/stats/binomial.hpp"
#include "harness/stats/jet.hpp"
#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

// One pair, without the factor n: q^2, 2pq and p^2 are the chances of the products p^2, -pq and q^2.
Jet pair_cumulants(double p, double q, double theta) {
  constexpr double kNoOverflow = 20;  // e^20 squared is a harmless number
  if (std::abs(theta) <= kNoOverflow)
    return log1p(q * q * exp_excess_of(p * p, theta) + 2 * p * q * exp_excess_of(-p * q, theta) +
                 p * p * exp_excess_of(q * q, theta));
  const double largest = theta > 0 ? std::max(p * p, q * q) : -p * q;  // the term that leads is taken out
  const Jet rest = q * q * exp_of(p * p - largest, theta) + 2 * p * q * exp_of(-p * q - largest, theta) +
                   p * p * exp_of(q * q - largest, theta);
  return Jet{largest * theta, largest} + log(rest);
}

}  // namespace

CumulantFunction overlap_cumulants(std::uint64_t n, double p) {
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  return [pairs = exact_double(n), p, q = 1 - p](double theta) {
    const Jet one = pair_cumulants(p, q, theta);
    return Cumulants{pairs * one.value, pairs * one.first, pairs * one.second};
  };
}

Support product_support(std::uint64_t n, double p) {
  const double pairs = exact_double(n), q = 1 - p;
  return {-pairs * p * q, pairs * std::max(p * p, q * q)};
}

bool products_are_valid(std::uint64_t n, double p) {
  if (!(p > 0.0 && p < 1.0) || n == 0) return false;
  if (p == 0.5) return true;
  constexpr double kSmallest = 16, kFine = 2048, kBlurred = 0.25;
  const double pairs = exact_double(n), variance = p * (1 - p), rare = std::min(p, 1 - p);
  const double spread = pairs * variance * variance;
  return spread >= kSmallest && (spread >= kFine || pairs * rare * rare * rare >= kBlurred);
}

Tail product_tail(const CumulantFunction& cumulants, const PairProducts& pairs, double p) {
  const double sum = centred_sum(pairs, p);
  const double half_step = std::min(p, 1 - p) / 2;
  const double inward = std::copysign(std::max(0.0, std::abs(sum) - half_step), sum);
  return saddlepoint_two_sided(cumulants, product_support(pairs.n, p), inward);
}

Tail overlap_two_sided(const PairProducts& pairs, double p) {
  require(products_are_valid(pairs.n, p), "products_are_valid(n, p)");
  if (p == 0.5) return binomial_two_sided(pairs.n, agreements(pairs), 0.5);
  return product_tail(overlap_cumulants(pairs.n, p), pairs, p);
}

}  // namespace dropcheck::stats
