// How many elements show how small an error: the planning side of the binomial test, with the test's own
// critical counts, so that plan and verdict cannot disagree.

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <limits>
#include <optional>
#include <tuple>

#include "harness/stats/binomial.hpp"
#include "harness/stats/memo.hpp"
#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

constexpr std::uint64_t kMaxTrials = std::uint64_t{1} << 53;

// Smallest count that is rejected as too high; n + 1 if none is.
std::uint64_t high_critical_count(std::uint64_t n, double alpha, double p) {
  std::uint64_t accepted = 0;  // P(X >= 0) = 1
  std::uint64_t rejected = n + 1;
  while (rejected - accepted > 1) {
    const std::uint64_t middle = accepted + (rejected - accepted) / 2;
    (binomial_upper_tail(n, middle, p) <= alpha / 2 ? rejected : accepted) = middle;
  }
  return rejected;
}

// Smallest upward shift of the rate that reaches the rejected counts with probability 1 - beta; empty if none
// does.
std::optional<double> upward_effect(std::uint64_t n, double alpha, double beta, double p) {
  const std::uint64_t critical = high_critical_count(n, alpha, p);
  if (critical > n) return std::nullopt;
  // P(X <= critical-1) = beta: the upper Clopper-Pearson bound of the last accepted count.
  return binomial_upper_bound(n, critical - 1, beta) - p;
}

// The downward case is the upward one for keeps. 1 - p is exact enough: an ulp of p moves no planned figure.
std::optional<double> downward_effect(std::uint64_t n, double alpha, double beta, double p) {
  return upward_effect(n, alpha, beta, 1.0 - p);
}

// Formula for two normal laws with their own variances: Fleiss, Levin & Paik 2003, section 2.2.
double first_order_samples(double effect, double alpha, double beta, double p) {
  const boost::math::normal_distribution<double> normal;
  const double z_alpha = boost::math::quantile(boost::math::complement(normal, alpha / 2));
  const double z_beta = boost::math::quantile(boost::math::complement(normal, beta));
  const double shifted = std::min(1.0, std::min(p, 1.0 - p) + effect);
  const double root =
      (z_alpha * std::sqrt(p * (1.0 - p)) + z_beta * std::sqrt(shifted * (1.0 - shifted))) / effect;
  return std::max(1.0, root * root);
}

double exact_min_effect(std::uint64_t n, double alpha, double beta, double p) {
  if (n == 0) return std::numeric_limits<double>::infinity();
  if (p == 0.0 || p == 1.0) return -std::expm1(std::log(beta) / exact_double(n));  // one violation suffices
  const std::optional<double> up = upward_effect(n, alpha, beta, p);
  const std::optional<double> down = downward_effect(n, alpha, beta, p);
  if (!up && !down) return std::numeric_limits<double>::infinity();
  // An undetectable side ends at rate 0 or 1: beyond that distance no rate is left there to miss.
  return std::max(up.value_or(std::nextafter(1.0 - p, 2.0)), down.value_or(std::nextafter(p, 2.0)));
}

}  // namespace

double binomial_min_effect(std::uint64_t n, double alpha, double beta, double p) {
  require_error_rates(alpha, beta);
  require(p >= 0.0 && p <= 1.0, "0 <= p <= 1");
  // A plan asks for the same few figures on hundreds of samples, and each costs a hundred exact tails.
  thread_local Memo<std::tuple<std::uint64_t, double, double, double>, double, 4096> known;
  return known.of({n, alpha, beta, p}, [&] { return exact_min_effect(n, alpha, beta, p); });
}

std::uint64_t binomial_min_samples(double effect, double alpha, double beta, double p) {
  require_error_rates(alpha, beta);
  require(effect > 0.0 && effect < 1.0, "0 < effect < 1");
  require(p >= 0.0 && p <= 1.0, "0 <= p <= 1");
  if (p == 0.0 || p == 1.0) {
    const double n = std::ceil(std::log(beta) / std::log1p(-effect));
    return n > exact_double(kMaxTrials) ? std::numeric_limits<std::uint64_t>::max()
                                        : static_cast<std::uint64_t>(n);
  }
  const auto enough = [&](std::uint64_t n) {
    return binomial_min_effect(n, alpha, beta, p) + 1.0 / exact_double(n) <= effect;
  };
  // Bracket the crossing around the first-order figure, which is within a few per cent, then bisect.
  const double start = std::min(first_order_samples(effect, alpha, beta, p), exact_double(kMaxTrials));
  std::uint64_t high = static_cast<std::uint64_t>(start);
  std::uint64_t low = 0;  // no trials are never enough
  if (enough(high)) {
    for (low = high - high / 64 - 1; low > 0 && enough(low); low -= low / 64 + 1) high = low;
  } else {
    while (!enough(high)) {
      if (high >= kMaxTrials) return std::numeric_limits<std::uint64_t>::max();
      low = high;
      high = std::min(kMaxTrials, high + high / 64 + 1);
    }
  }
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    (enough(middle) ? high : low) = middle;
  }
  return high;
}

}  // namespace dropcheck::stats
