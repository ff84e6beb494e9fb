#include "harness/stats/binomial.hpp"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/tools/toms748_solve.hpp>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "harness/stats/deviance.hpp"
#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

using Binomial = boost::math::binomial_distribution<double>;

void require_counts(std::uint64_t n, std::uint64_t x, double p) {
  require(x <= n, "drops <= trials");
  require(p >= 0.0 && p <= 1.0, "0 <= p <= 1");
}

// The last rate, coming from `rejected`, at which `tail` is at most `level`; at `accepted` it is larger. Up
// to a few units in the last place, on the side of `rejected`.
template <typename TailAt>
double last_rejected(double rejected, double accepted, double level, const TailAt& tail) {
  const double ln_level = std::log(level);
  const auto excess = [&](double rate) { return std::log(tail(rate)) - ln_level; };
  double below = excess(rejected), above = excess(accepted);
  // Halved until the logarithm is finite, or for want of a rate between the two.
  while (!std::isfinite(below)) {
    const double middle = rejected + (accepted - rejected) / 2;
    if (middle == rejected || middle == accepted) return rejected;
    const double found = excess(middle);
    (found <= 0 ? rejected : accepted) = middle;
    (found <= 0 ? below : above) = found;
  }
  if (below == 0) return rejected;
  // Alefeld, Potra and Shi (1995), algorithm 748: a root in about ten steps.
  constexpr int kBits = 50;
  std::uintmax_t most_steps = 200;
  const bool rising = rejected < accepted;
  const auto bracket =
      rising
          ? boost::math::tools::toms748_solve(excess, rejected, accepted, below, above,
                                              boost::math::tools::eps_tolerance<double>(kBits), most_steps)
          : boost::math::tools::toms748_solve(excess, accepted, rejected, above, below,
                                              boost::math::tools::eps_tolerance<double>(kBits), most_steps);
  return rising ? bracket.first : bracket.second;
}

}  // namespace

double binomial_lower_tail(std::uint64_t n, std::uint64_t x, double p) {
  require_counts(n, x, p);
  if (x == n) return 1.0;
  if (p == 0.0) return 1.0;
  if (p == 1.0) return 0.0;
  return boost::math::cdf(Binomial(exact_double(n), p), exact_double(x));
}

double binomial_upper_tail(std::uint64_t n, std::uint64_t x, double p) {
  require_counts(n, x, p);
  if (x == 0) return 1.0;
  if (p == 0.0) return 0.0;
  if (p == 1.0) return 1.0;
  return boost::math::cdf(boost::math::complement(Binomial(exact_double(n), p), exact_double(x - 1)));
}

Tail binomial_two_sided(std::uint64_t n, std::uint64_t x, double p) {
  constexpr const char* kExact = "binomial_exact";
  // The median is less than 1 from the mean (K. Hamza, 1995): beyond that it is known which tail is smaller.
  const double excess = std::fma(-exact_double(n), p, exact_double(x));
  const double smaller = excess >= 1 ? binomial_upper_tail(n, x, p)
                         : excess <= -1
                             ? binomial_lower_tail(n, x, p)
                             : std::min(binomial_lower_tail(n, x, p), binomial_upper_tail(n, x, p));
  const double p_value = std::min(1.0, 2.0 * smaller);
  if (p == 0.0 || p == 1.0) return p_value > 0.0 ? tail_from_p(1.0, kExact) : impossible_event(kExact);
  if (p_value >= kSmallestExactTail) return tail_from_p(p_value, kExact);
  const double ln_bound = binomial_chernoff_log10(n, x, p) * std::numbers::ln10;
  return tail_below_exact(p_value, ln_bound, "binomial_chernoff");
}

double binomial_chernoff_log10(std::uint64_t n, std::uint64_t x, double p) {
  require_counts(n, x, p);
  require(p > 0.0 && p < 1.0 && n > 0, "0 < p < 1 and n > 0");
  const double trials = exact_double(n);
  const double excess = -std::fma(trials, p, -exact_double(x)) / trials;  // x/n - p, rounded once
  const double ln_bound = std::numbers::ln2 - trials * bernoulli_divergence(p, 1.0 - p, excess);
  return std::min(0.0, ln_bound * std::numbers::log10e);
}

double binomial_lower_bound(std::uint64_t n, std::uint64_t x, double tail) {
  require(n > 0 && x <= n, "drops <= trials, trials > 0");
  require(tail > 0.0 && tail < 1.0, "0 < tail < 1");
  if (x == 0) return 0.0;
  const auto tail_at = [&](double p) { return binomial_upper_tail(n, x, p); };
  double inside = 1.0;  // P(X >= x) = 1 at rate 1
  double rate = exact_double(x) / exact_double(n);
  while (tail_at(rate) > tail) {
    inside = rate;
    rate /= 2;  // P(X >= x) <= (n choose x) p^x, so this ends soon
  }
  return last_rejected(rate, inside, tail, tail_at);
}

double binomial_upper_bound(std::uint64_t n, std::uint64_t x, double tail) {
  require(n > 0 && x <= n, "drops <= trials, trials > 0");
  require(tail > 0.0 && tail < 1.0, "0 < tail < 1");
  if (x == n) return 1.0;
  const auto tail_at = [&](double p) { return binomial_lower_tail(n, x, p); };
  double inside = 0.0;  // P(X <= x) = 1 at rate 0
  double rate = exact_double(x == 0 ? 1 : x) / exact_double(n);
  while (rate < 1.0 && tail_at(rate) > tail) {
    inside = rate;
    rate *= 2;
  }
  return last_rejected(std::min(rate, 1.0), inside, tail, tail_at);
}

Interval clopper_pearson(std::uint64_t n, std::uint64_t x, double alpha) {
  require(alpha > 0.0 && alpha < 1.0, "0 < alpha < 1");
  return {binomial_lower_bound(n, x, alpha / 2), binomial_upper_bound(n, x, alpha / 2)};
}

}  // namespace dropcheck::stats
