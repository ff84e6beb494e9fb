#include "harness/stats/kolmogorov_smirnov.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "harness/stats/deviance.hpp"
#include "harness/stats/preconditions.hpp"
#include "harness/stats/randomised_pit.hpp"

namespace dropcheck::stats {
namespace {

constexpr std::uint64_t kFullSumLimit = std::uint64_t{1} << 20;

// Sum of exponentials of numbers whose exponentials may all underflow.
class LogSum {
 public:
  void add(double ln_term) {
    if (ln_term <= largest_) {
      scaled_ += std::exp(ln_term - largest_);
    } else {
      scaled_ = scaled_ * std::exp(largest_ - ln_term) + 1.0;
      largest_ = ln_term;
    }
  }
  double ln() const { return scaled_ > 0.0 ? largest_ + std::log(scaled_) : largest_; }

 private:
  double largest_ = -std::numeric_limits<double>::infinity();
  double scaled_ = 0.0;
};

// ln of d C(n,j) (1-d-j/n)^(n-j) (d+j/n)^(j-1). With b = d + j/n this is d/b times the probability of j under
// Bin(n, b), which deviances give without the cancellation of three logarithms of size n.
double ln_term(double n, double j, double d, double stirling_n) {
  const double b = d + j / n;
  const double a = (n - j) / n - d;
  if (a <= 0.0) return -std::numeric_limits<double>::infinity();
  if (j == 0.0) return n * std::log1p(-d);
  const double normaliser = 0.5 * std::log(n / (2.0 * std::numbers::pi * j * (n - j)));
  const double stirling = stirling_n - stirling_error(j) - stirling_error(n - j);
  return normaliser + stirling - n * bernoulli_divergence(b, a, -d) + std::log(d / b);
}

double ln_one_sided(std::uint64_t n, double d) {
  require(n > 0, "at least one value");
  require(!std::isnan(d), "the distance is a number");
  if (d <= 0.0) return 0.0;
  if (d > 1.0) return -std::numeric_limits<double>::infinity();
  const double values = exact_double(n);
  // Far above the limit the terms change by relative steps of about 1/2^18 from one point to the next and
  // vanish with all derivatives at both ends, where a trapezoidal rule converges faster than any power. Below
  // nd^2 = 0.01 they no longer vanish, and the p-value is above 0.98: Maag & Dicaire 1971, relative error of
  // order 1/n.
  std::uint64_t stride = 1;
  if (n > kFullSumLimit) {
    const double shifted = 6.0 * values * d + 1.0;
    if (values * d * d < 0.01) return std::min(0.0, -shifted * shifted / (18.0 * values));
    stride = n / (kFullSumLimit / 4);
  }
  const double stirling_n = stirling_error(values);
  const std::uint64_t last = static_cast<std::uint64_t>(values * (1.0 - d));
  LogSum sum;
  for (std::uint64_t j = 0; j <= last && j < n; j += stride) {
    sum.add(ln_term(values, static_cast<double>(j), d, stirling_n));
  }
  const double ln_p = sum.ln() + std::log(static_cast<double>(stride));
  return std::isfinite(ln_p) ? std::min(0.0, ln_p) : -2.0 * values * d * d;
}

// Largest distances above and below the diagonal, values arriving in ascending order.
class Distances {
 public:
  explicit Distances(std::uint64_t n) : n_(exact_double(n)) {}
  void add(double u) {
    const double below = seen_;
    seen_ += 1.0;
    largest_ = std::max({largest_, seen_ / n_ - u, u - below / n_});
  }
  double largest() const { return largest_; }

 private:
  double n_;
  double seen_ = 0.0;
  double largest_ = 0.0;
};

KsResult ks_result(double distance, std::uint64_t n) {
  constexpr const char* kEngine = "kolmogorov_smirnov_exact";
  if (n == 0) return {tail_from_p(1.0, kEngine), 0.0, 0};
  const double statistic = std::min(1.0, distance);  // rounding
  return {tail_from_ln(std::numbers::ln2 + ln_one_sided(n, statistic), kEngine), statistic, n};
}

// sqrt(2n) times the detectable distance.
double root_of_rates(double alpha, double beta) {
  require_error_rates(alpha, beta);
  return std::sqrt(std::log(2.0 / alpha)) + std::sqrt(-std::log(beta));
}

}  // namespace

double ks_one_sided_exact(std::uint64_t n, double d) { return std::exp(ln_one_sided(n, d)); }

double ks_log10_one_sided(std::uint64_t n, double d) { return ln_one_sided(n, d) * std::numbers::log10e; }

KsResult ks_two_sided(std::span<const double> sorted_u) {
  Distances distances(sorted_u.size());
  double previous = 0.0;
  for (const double u : sorted_u) {
    require(u >= previous && u <= 1.0, "values ascend in [0,1]");
    previous = u;
    distances.add(u);
  }
  return ks_result(distances.largest(), sorted_u.size());
}

KsResult ks_of_block_histogram(std::span<const std::uint64_t> histogram, std::uint64_t trials, double p,
                               std::uint64_t key) {
  std::uint64_t blocks = 0;
  for (const std::uint64_t cell : histogram) blocks += cell;
  Distances distances(blocks);
  std::vector<double> values;
  for (std::size_t count = 0; count < histogram.size(); ++count) {
    if (histogram[count] == 0) continue;
    // The values of one count lie in one step of the distribution function: sorting within a count sorts them
    // all.
    const PitStep step = randomised_pit_step(trials, count, p);
    const std::uint64_t cell_key = derived_key(key, count);
    values.resize(histogram[count]);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = keyed_uniform(cell_key, i);
    std::sort(values.begin(), values.end());
    for (const double v : values) distances.add(std::min(1.0, step.below + v * step.at));
  }
  return ks_result(distances.largest(), blocks);
}

double ks_min_effect(std::uint64_t n, double alpha, double beta) {
  const double root = root_of_rates(alpha, beta);
  if (n == 0) return std::numeric_limits<double>::infinity();
  const double effect = root / std::sqrt(2.0 * static_cast<double>(n));
  return effect <= 1.0 ? effect : std::numeric_limits<double>::infinity();
}

std::uint64_t ks_min_samples(double effect, double alpha, double beta) {
  require(effect > 0.0 && effect <= 1.0, "0 < effect <= 1");
  const double root = root_of_rates(alpha, beta) / effect;
  const double samples = std::ceil(root * root / 2.0);
  constexpr double kLimit = 0x1p63;
  return samples < kLimit ? static_cast<std::uint64_t>(samples) : std::numeric_limits<std::uint64_t>::max();
}

}  // namespace dropcheck::stats
