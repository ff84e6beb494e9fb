#include "harness/stats/pair_products.hpp"

#include <algorithm>
#include <cmath>

#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

void require_possible(const PairProducts& pairs) {
  require(pairs.n11 <= std::min(pairs.n1L, pairs.n1R), "common drops <= drops of each side");
  require(std::max(pairs.n1L, pairs.n1R) <= pairs.n, "drops <= pairs");
  require(pairs.n1L - pairs.n11 <= pairs.n - pairs.n1R, "pairs dropped on some side <= pairs");
}

}  // namespace

PairProducts& PairProducts::operator+=(const PairProducts& other) {
  n11 += other.n11;
  n1L += other.n1L;
  n1R += other.n1R;
  n += other.n;
  return *this;
}

double centred_sum(const PairProducts& pairs, double p) {
  require_possible(pairs);
  require(p >= 0.0 && p <= 1.0, "0 <= p <= 1");
  const double both = std::fma(-p, exact_double(pairs.n1L), exact_double(pairs.n11));
  const double right = std::fma(-p, exact_double(pairs.n), exact_double(pairs.n1R));
  return std::fma(-p, right, both);
}

double pair_correlation(const PairProducts& pairs, double p) {
  require(p > 0.0 && p < 1.0 && pairs.n > 0, "0 < p < 1 and pairs > 0");
  return centred_sum(pairs, p) / (exact_double(pairs.n) * p * (1 - p));
}

std::uint64_t agreements(const PairProducts& pairs) {
  require_possible(pairs);
  return pairs.n - (pairs.n1L - pairs.n11) - (pairs.n1R - pairs.n11);
}

}  // namespace dropcheck::stats
