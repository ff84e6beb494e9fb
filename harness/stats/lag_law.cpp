#include "harness/stats/lag_law.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "harness/stats/binomial.hpp"
#include "harness/stats/character_sum.hpp"
#include "harness/stats/jet.hpp"
#include "harness/stats/overlap_law.hpp"
#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

/// Chains of one length, all chunks together.
struct Chains {
  double length;
  double count;
};

std::vector<Chains> chains_of(std::span<const ChunkKind> chunks, std::uint64_t lag) {
  require(lag > 0, "lag > 0");
  std::map<std::uint64_t, std::uint64_t> by_length;
  for (const ChunkKind& kind : chunks) {
    if (kind.size <= lag) continue;
    const std::uint64_t longer = kind.size % lag;
    by_length[kind.size / lag + 1] += kind.count * longer;
    by_length[kind.size / lag] += kind.count * (lag - longer);
  }
  std::vector<Chains> chains;
  for (const auto& [length, count] : by_length)
    if (length > 1 && count > 0) chains.push_back({exact_double(length), exact_double(count)});
  return chains;
}

/// M's eigenvalues and the two ends of the chain: K of m entries is (m-1) ln_first + ln(1 + second
/// (ratio^(m-1) - 1)).
struct ChainLaw {
  Jet ln_first;  // of the larger eigenvalue
  Jet second;    // weight of the smaller one
  Jet ratio;     // smaller over larger
};

// For |theta| where nothing overflows; everything that vanishes at 0 is computed from terms that vanish there
// as fast, or the many chains would multiply the rounding of 1.
ChainLaw law_near_zero(double p, double q, double theta) {
  const double v = p * q;
  const Jet cross = exp_of(-2 * v, theta);
  // With trace T and determinant D, T - 1 - D = (first - 1)(1 - smaller): f.
  const Jet f = q * exp_excess_of(p * p, theta) + p * exp_excess_of(q * q, theta) -
                v * (exp_excess_of(1, theta) + expm1_of(-2 * v, theta) * expm1_of(1, theta));
  const Jet determinant = v * (cross * expm1_of(1, theta));  // p^2 + q^2 + 2 p q = 1
  const Jet trace_less_two = -1 + (f + determinant);
  const Jet difference = q * exp_of(p * p, theta) - p * exp_of(q * q, theta);
  const Jet root = sqrt(difference * difference + 4 * v * cross);  // eigenvalues' distance, a sum of squares
  const Jet excess =
      trace_less_two.value < 0 ? 2 * f / (root - trace_less_two) : 0.5 * (trace_less_two + root);
  const Jet first = 1 + excess;
  const Jet two_entries = q * q * exp_excess_of(p * p, theta) + 2 * v * exp_excess_of(-v, theta) +
                          p * p * exp_excess_of(q * q, theta);
  return {log1p(excess), (excess - two_entries) / root, determinant / (first * first)};
}

// The same with the leading exponential taken out of every entry of M.
ChainLaw law_far_out(double p, double q, double theta) {
  const double v = p * q;
  const double largest = theta > 0 ? std::max(p * p, q * q) : -v;
  const Jet kept = exp_of(p * p - largest, theta), dropped = exp_of(q * q - largest, theta);
  const Jet unequal = exp_of(-v - largest, theta);
  const Jet trace = q * kept + p * dropped;
  const Jet determinant = v * (kept * dropped - unequal * unequal);
  const Jet difference = q * kept - p * dropped;
  const Jet root = sqrt(difference * difference + 4 * v * (unequal * unequal));
  const Jet first = 0.5 * (trace + root);
  const Jet two_entries = q * q * kept + 2 * v * unequal + p * p * dropped;
  return {Jet{largest * theta, largest} + log(first), (first - two_entries) / root,
          determinant / (first * first)};
}

}  // namespace

std::uint64_t lag_pairs(std::span<const ChunkKind> chunks, std::uint64_t lag) {
  std::uint64_t pairs = 0;
  for (const ChunkKind& kind : chunks) pairs += kind.count * (kind.size > lag ? kind.size - lag : 0);
  return pairs;
}

CumulantFunction lag_cumulants(std::span<const ChunkKind> chunks, std::uint64_t lag, double p) {
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  return [chains = chains_of(chunks, lag), p, q = 1 - p](double theta) {
    constexpr double kNear = 8;  // each form keeps more digits on its side
    const ChainLaw law = std::abs(theta) <= kNear ? law_near_zero(p, q, theta) : law_far_out(p, q, theta);
    Jet sum{0};
    for (const Chains& c : chains) {
      const Jet ends = log1p(law.second * (-1 + power(law.ratio, c.length - 1)));
      sum = sum + c.count * ((c.length - 1) * law.ln_first + ends);
    }
    return Cumulants{sum.value, sum.first, sum.second};
  };
}

Tail lag_two_sided(const PairProducts& pairs, std::span<const ChunkKind> chunks, std::uint64_t lag,
                   double p) {
  require(pairs.n == lag_pairs(chunks, lag), "pairs of the chunks");
  require(products_are_valid(pairs.n, p), "products_are_valid(n, p)");
  if (p == 0.5) return binomial_two_sided(pairs.n, agreements(pairs), 0.5);
  return product_tail(lag_cumulants(chunks, lag, p), pairs, p);
}

double lag_min_effect(std::uint64_t n, double alpha, double beta, double p) {
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  require_error_rates(alpha, beta);
  if (n == 0) return std::numeric_limits<double>::infinity();
  // At p = 1/2 two entries of correlation rho agree with probability (1 + rho) / 2.
  const double effect =
      p == 0.5 ? 2 * binomial_min_effect(n, alpha, beta, 0.5)
               : character_min_effect(n, bit_skewness(p) * bit_skewness(p) / std::sqrt(exact_double(n)),
                                      alpha, beta);
  return effect <= 1.0 ? effect : std::numeric_limits<double>::infinity();
}

std::uint64_t lag_min_samples(double rho, double alpha, double beta, double p) {
  require(rho > 0.0 && rho <= 1.0, "0 < rho <= 1");
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  if (p == 0.5) return binomial_min_samples(std::min(rho / 2, 0.4999999), alpha, beta, 0.5);
  return character_min_samples(rho, alpha, beta, bit_skewness(p) * bit_skewness(p));
}

}  // namespace dropcheck::stats
