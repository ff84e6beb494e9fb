#include "harness/stats/e_process.hpp"

#include <algorithm>
#include <boost/math/special_functions/gamma.hpp>
#include <boost/math/special_functions/log1p.hpp>
#include <cmath>
#include <limits>
#include <numbers>

#include "harness/stats/deviance.hpp"
#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

constexpr int kFirstPower = 2, kLastPower = 13;

void require_null(double p) { require(p > 0.0 && p < 1.0, "0 < p < 1"); }

// ln Gamma(x) minus (x - 1/2) ln x - x + ln(2 pi)/2, any x > 0: stirling_error without its restriction to
// integers below 32.
double stirling_remainder(double x) {
  if (x >= 32.0) return stirling_error(x);
  const double half_ln_two_pi = 0.5 * std::log(2 * std::numbers::pi);
  return boost::math::lgamma(x) - ((x - 0.5) * std::log(x) - x + half_ln_two_pi);
}

// x - n p, rounded once.
double excess(std::uint64_t n, std::uint64_t x, double p) {
  return std::fma(-exact_double(n), p, exact_double(x));
}

// ln of the sum of exponentials; -infinity for none.
class LogSum {
 public:
  void add(double ln) {
    if (ln == -std::numeric_limits<double>::infinity()) return;
    if (ln <= largest_) {
      scaled_ += std::exp(ln - largest_);
    } else {
      scaled_ = scaled_ * std::exp(largest_ - ln) + 1.0;
      largest_ = ln;
    }
  }
  double value() const { return scaled_ > 0.0 ? largest_ + std::log(scaled_) : largest_; }

 private:
  double largest_ = -std::numeric_limits<double>::infinity();
  double scaled_ = 0;
};

// Last double, coming from `inside`, in front of which `excluded` begins; `outside` itself is excluded.
template <typename Predicate>
double bisect(double outside, double inside, const Predicate& excluded) {
  while (true) {
    const double middle = outside + (inside - outside) / 2;
    if (middle == outside || middle == inside) return outside;
    (excluded(middle) ? outside : inside) = middle;
  }
}

}  // namespace

bool is_possible(const PairProducts& pairs) {
  return pairs.n1L <= pairs.n && pairs.n1R <= pairs.n && pairs.n11 <= std::min(pairs.n1L, pairs.n1R) &&
         pairs.n1L - pairs.n11 <= pairs.n - pairs.n1R;
}

double ln_beta_binomial_e(const DropCounts& counts, double p, double kappa) {
  require_null(p);
  require(kappa > 0.0 && std::isfinite(kappa), "kappa > 0");
  require(counts.x <= counts.n, "drops <= entries");
  if (counts.n == 0) return 0.0;
  const double q = 1.0 - p;
  const double total = exact_double(counts.n) + kappa;
  const double drops = kappa * p + exact_double(counts.x);
  const double keeps = kappa * q + exact_double(counts.n - counts.x);
  const double divergence = bernoulli_divergence(p, q, excess(counts.n, counts.x, p) / total);
  const double spread =
      std::log(drops / (total * p)) + std::log(keeps / (total * q)) + std::log(total / kappa);
  const double remainders = stirling_remainder(drops) + stirling_remainder(keeps) -
                            stirling_remainder(total) - stirling_remainder(kappa * p) -
                            stirling_remainder(kappa * q) + stirling_remainder(kappa);
  return total * divergence - 0.5 * spread + remainders;
}

double ln_rate_e(const DropCounts& counts, double p) {
  std::array<double, kPriorSizes.size()> each{};
  std::transform(kPriorSizes.begin(), kPriorSizes.end(), each.begin(),
                 [&](double kappa) { return ln_beta_binomial_e(counts, p, kappa); });
  return ln_mean_e(each);
}

double ln_context_e(std::span<const DropCounts> contexts, double p) {
  require_null(p);
  double sum = 0;
  for (const DropCounts& context : contexts) sum += ln_rate_e(context, p);
  return sum;
}

std::array<DropCounts, 2> left_contexts(const PairProducts& pairs) {
  require(is_possible(pairs), "counts of pairs");
  return {{{pairs.n - pairs.n1L, pairs.n1R - pairs.n11}, {pairs.n1L, pairs.n11}}};
}

double ln_lag_e(const PairProducts& pairs, double p) {
  require_null(p);
  const double products = centred_sum(pairs, p);
  const double q = 1.0 - p;
  const double both = exact_double(pairs.n11);
  const double one = exact_double(pairs.n1L - pairs.n11) + exact_double(pairs.n1R - pairs.n11);
  const double none = exact_double(pairs.n - pairs.n1L - (pairs.n1R - pairs.n11));
  // ln(1 + u) = u + (ln(1 + u) - u): the linear parts add up to lambda times the centred sum, which is small
  // although its terms are not; the rests are all of one sign.
  const auto ln_e = [&](double lambda) {
    return lambda * products + both * boost::math::log1pmx(lambda * q * q) +
           one * boost::math::log1pmx(-lambda * p * q) + none * boost::math::log1pmx(lambda * p * p);
  };
  LogSum sum;
  int terms = 0;
  for (int j = kFirstPower; j <= kLastPower; ++j) {
    const double step = std::ldexp(1.0, -j);
    const double larger = std::max(p, q);
    sum.add(ln_e(step / (p * q)));
    sum.add(ln_e(-step / (larger * larger)));
    terms += 2;
  }
  return sum.value() - std::log(terms);
}

double ln_mean_e(std::span<const double> ln_e) {
  require(!ln_e.empty(), "at least one e-value");
  LogSum sum;
  for (const double each : ln_e) {
    require(!std::isnan(each), "ln of an e-value is a number");
    sum.add(each);
  }
  return sum.value() - std::log(static_cast<double>(ln_e.size()));
}

Interval rate_confidence_sequence(const DropCounts& counts, double alpha) {
  require(alpha > 0.0 && alpha < 1.0, "0 < alpha < 1");
  require(counts.x <= counts.n, "drops <= entries");
  if (counts.n == 0) return {0.0, 1.0};
  const double threshold = -std::log(alpha);
  const auto excluded = [&](double p) { return ln_rate_e(counts, p) >= threshold; };
  // Every likelihood ratio against the observed rate is at most 1, so that rate is inside; at 0 and 1, where
  // E is not defined, its neighbour stands in.
  const std::uint64_t keeps = counts.n - counts.x;
  const double seen = exact_double(counts.x) / exact_double(counts.n);
  Interval interval{0.0, 1.0};
  if (counts.x >= 2) {  // with fewer, E stays below 1 down to rate 0
    double inside = std::min(seen, std::nextafter(1.0, 0.0));
    double rate = inside / 2;
    while (rate >= std::numeric_limits<double>::min() && !excluded(rate)) {
      inside = rate;
      rate /= 2;
    }
    if (rate >= std::numeric_limits<double>::min()) interval.lower = bisect(rate, inside, excluded);
  }
  if (keeps >= 2) {
    const double inside = std::max(seen, std::numeric_limits<double>::min());
    const double last = std::nextafter(1.0, 0.0);
    if (inside < last && excluded(last)) interval.upper = bisect(last, inside, excluded);
  }
  return interval;
}

}  // namespace dropcheck::stats
