#include "harness/stats/hypergeometric.hpp"

#include <algorithm>
#include <boost/math/quadrature/gauss.hpp>
#include <cmath>
#include <limits>
#include <numbers>

#include "harness/core/integer.hpp"
#include "harness/stats/character_sum.hpp"
#include "harness/stats/deviance.hpp"
#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

constexpr std::uint64_t kMaxEntries = std::uint64_t{1} << 53;
constexpr double kLongTail = 1024;  // terms from which on the tail is integrated instead of added up

void require_overlap(std::uint64_t n, std::uint64_t a, std::uint64_t b, std::uint64_t x) {
  require(n <= kMaxEntries, "entries <= 2^53");
  require(a <= n && b <= n, "drops <= entries");
  require(x <= std::min(a, b) && (a <= n - b || x >= a - (n - b)),
          "overlap possible for these numbers of drops");
}

/// The law of the overlap, at real arguments too (factorials become gamma functions).
class OverlapLaw {
 public:
  OverlapLaw(std::uint64_t n, std::uint64_t a, std::uint64_t b)
      : n_(exact_double(n)), a_(exact_double(a)), b_(exact_double(b)), rest_(n_ - a_ - b_) {
    mean_ = static_cast<double>(static_cast<Int128>(a) * static_cast<Int128>(b)) / n_;
    margins_ = half_ln(a_) + half_ln(n_ - a_) + half_ln(b_) + half_ln(n_ - b_) - half_ln(n_);
  }

  /// ln of the probability of x, `e` = x - mean more exactly than their difference.
  double ln_pmf(double x, double e) const {
    // ln of a! (n-a)! b! (n-b)! / (n! product of cells!): what remains of k ln k - k is the deviance, a sum
    // of positive terms E h((O - E) / E).
    const double deviance =
        cell(mean_, e) + cell(a_ - mean_, -e) + cell(b_ - mean_, -e) + cell(rest_ + mean_, e);
    return margins_ - half_ln(x) - half_ln(a_ - x) - half_ln(b_ - x) - half_ln(rest_ + x) - deviance;
  }
  /// P(x + 1) / P(x); falls as x grows.
  double ratio_up(double x) const { return (a_ - x) * (b_ - x) / ((x + 1) * (rest_ + x + 1)); }
  double ratio_down(double x) const { return x * (rest_ + x) / ((a_ - x + 1) * (b_ - x + 1)); }
  double largest() const { return std::min(a_, b_); }
  double standard_deviation() const { return std::sqrt(mean_ * (1 - a_ / n_) * (1 - b_ / n_)); }

 private:
  // ln k! without k ln k - k.
  static double half_ln(double k) {
    return k == 0 ? 0.0 : 0.5 * std::log(2 * std::numbers::pi * k) + stirling_error(k);
  }
  static double cell(double expected, double e) {
    return expected > 0 ? expected * entropy_excess(std::max(-1.0, e / expected)) : 0.0;
  }

  double n_, a_, b_, rest_, mean_, margins_;
};

/// x - a b / n, rounded once.
double excess(std::uint64_t n, std::uint64_t a, std::uint64_t b, std::uint64_t x) {
  const Int128 scaled =
      static_cast<Int128>(x) * static_cast<Int128>(n) - static_cast<Int128>(a) * static_cast<Int128>(b);
  return static_cast<double>(scaled) / exact_double(n);
}

// (P(x) + P(x+1) + ...) / P(x) for x at or above the mean, term by term.
double added_tail(const OverlapLaw& law, double x) {
  double sum = 0.0;
  double term = 1.0;
  for (double k = x; term > sum * 1e-17; ++k) {
    sum += term;
    term *= law.ratio_up(k);
  }
  return sum;
}

// The same as an integral from x - 1/2 of g = f - f''/24 + ..., differences for derivatives: the function
// whose means over unit intervals are f (the inverse of the central averaging operator, 1 - d^2/24 + 3
// d^4/640). The next term is 5 d^6 / 7168: with more than 1024 terms f changes by less than 5 % a step, so
// 1e-11.
double integrated_tail(const OverlapLaw& law, double x, double e, double terms) {
  const double ln_first = law.ln_pmf(x, e);
  const auto density = [&](double offset) {
    const double t = x + offset;
    const double up = law.ratio_up(t), down = law.ratio_down(t);
    const double up2 = up * law.ratio_up(t + 1), down2 = down * law.ratio_down(t - 1);
    const double second = up + down - 2, fourth = up2 + down2 - 4 * (up + down) + 6;
    return std::exp(law.ln_pmf(t, e + offset) - ln_first) * (1 - second / 24 + 3 * fourth / 640);
  };
  constexpr int kPanels = 10;
  const double width = terms / kPanels;
  double sum = 0.0;
  for (int panel = 0; panel < kPanels; ++panel) {
    const double left = -0.5 + panel * width;
    sum += boost::math::quadrature::gauss<double, 15>::integrate(density, left, left + width);
  }
  return sum;
}

/// ln of P(X >= x) for x at or above the mean, and whether it is exact or the bound.
struct OutwardTail {
  double ln_p;
  bool exact;
};

OutwardTail outward_tail(std::uint64_t n, std::uint64_t a, std::uint64_t b, std::uint64_t x) {
  const OverlapLaw law(n, a, b);
  const double first = exact_double(x);
  const double e = excess(n, a, b, x);
  const double ln_first = law.ln_pmf(first, e);
  const double ratio = law.ratio_up(first);
  if (ln_first < std::log(kSmallestExactTail)) return {ln_first - std::log1p(-ratio), false};
  // From x on the terms fall at least as fast as ratio^j, and as a normal density outside the bulk.
  const double terms = std::min(
      {law.largest() - first + 1, 42 / (1 - std::min(ratio, 1 - 1e-15)), 9.5 * law.standard_deviation() + 1});
  const bool added = terms <= kLongTail || law.largest() - first < terms + 64;
  return {ln_first + std::log(added ? added_tail(law, first) : integrated_tail(law, first, e, terms)), true};
}

}  // namespace

double hypergeometric_ln_pmf(std::uint64_t n, std::uint64_t a, std::uint64_t b, std::uint64_t x) {
  require(n > 0, "entries > 0");
  require_overlap(n, a, b, x);
  return OverlapLaw(n, a, b).ln_pmf(exact_double(x), excess(n, a, b, x));
}

Tail hypergeometric_two_sided(std::uint64_t n, std::uint64_t a, std::uint64_t b, std::uint64_t x) {
  constexpr const char* kExact = "hypergeometric_exact";
  require_overlap(n, a, b, x);
  if (a == 0 || b == 0 || a == n || b == n) return tail_from_p(1.0, kExact);  // only one overlap is possible
  // The entries that the first mask drops and the second keeps mirror the overlap: the lower tail is theirs.
  const bool above =
      static_cast<Int128>(x) * static_cast<Int128>(n) >= static_cast<Int128>(a) * static_cast<Int128>(b);
  const OutwardTail outward = above ? outward_tail(n, a, b, x) : outward_tail(n, a, n - b, a - x);
  const double ln_doubled = std::numbers::ln2 + outward.ln_p;
  if (!outward.exact || ln_doubled < std::log(kSmallestExactTail))
    return tail_below_exact(std::min(std::exp(ln_doubled), kSmallestExactTail), ln_doubled,
                            "hypergeometric_geometric");
  const double outer = std::exp(outward.ln_p);
  const double inner =
      1.0 + std::exp(hypergeometric_ln_pmf(n, a, b, x)) - outer;  // the other tail holds x too
  return tail_from_p(std::min(1.0, 2.0 * std::min(outer, inner)), kExact);
}

double hypergeometric_hoeffding_log10(std::uint64_t n, std::uint64_t a, std::uint64_t b, std::uint64_t x) {
  require_overlap(n, a, b, x);
  require(b > 0 && a > 0 && a < n, "b > 0 and 0 < a < n");
  const double rate = exact_double(a) / exact_double(n);
  const double rate_of_rest = exact_double(n - a) / exact_double(n);
  const double draws = exact_double(b);
  const double ln_bound =
      std::numbers::ln2 - draws * bernoulli_divergence(rate, rate_of_rest, excess(n, a, b, x) / draws);
  return std::min(0.0, ln_bound * std::numbers::log10e);
}

double overlap_min_effect(std::uint64_t n, double alpha, double beta, double p) {
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  require_error_rates(alpha, beta);
  if (n < 2) return std::numeric_limits<double>::infinity();
  const double entries = exact_double(n);
  const double variance = p * (1 - p);
  const double gamma = bit_skewness(p) * bit_skewness(p) / std::sqrt(entries);
  const double effect = character_min_effect(n - 1, gamma, alpha, beta) + 1 / (entries * variance);
  return effect <= 1.0 ? effect : std::numeric_limits<double>::infinity();
}

std::uint64_t overlap_min_samples(double rho, double alpha, double beta, double p) {
  require(rho > 0.0 && rho <= 1.0, "0 < rho <= 1");
  const auto enough = [&](std::uint64_t n) { return overlap_min_effect(n, alpha, beta, p) <= rho; };
  if (!enough(kMaxEntries)) return std::numeric_limits<std::uint64_t>::max();
  std::uint64_t low = 1;  // never enough
  std::uint64_t high = 2;
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

}  // namespace dropcheck::stats
