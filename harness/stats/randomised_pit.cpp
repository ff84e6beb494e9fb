#include "harness/stats/randomised_pit.hpp"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <map>
#include <numbers>
#include <utility>

#include "harness/stats/binomial.hpp"
#include "harness/stats/chi_squared.hpp"
#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

std::uint64_t splitmix64_finaliser(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// A lower bound on the normal quantile |z| of a tail that is at most exp(-depth), depth > 600. By Q(z) >=
// phi(z) / (z + 1/z) the quantile of exp(-depth) itself is at least the value computed.
double quantile_bound(double depth) {
  const double rough = std::sqrt(2.0 * depth);
  return std::sqrt(2.0 * (depth - std::log(std::sqrt(2.0 * std::numbers::pi) * (rough + 1.0 / rough))));
}

double z_of(const PitStep& step, std::uint64_t trials, std::uint64_t count, double p, double v) {
  require(v > 0.0 && v < 1.0, "0 < v < 1");
  const double lower = step.below + v * step.at;
  const double upper = step.above + (1.0 - v) * step.at;
  const double sign = lower <= upper ? -1.0 : 1.0;
  const double tail = std::min(lower, upper);
  const boost::math::normal_distribution<double> normal;
  if (tail >= kSmallestExactTail) {
    return sign * std::abs(boost::math::quantile(boost::math::complement(normal, tail)));
  }
  // The doubled bound is 2 exp(-n KL) and one tail is at most exp(-n KL).
  const double depth = std::numbers::ln2 - binomial_chernoff_log10(trials, count, p) * std::numbers::ln10;
  const double at_limit = boost::math::quantile(boost::math::complement(normal, kSmallestExactTail));
  return sign * std::max(at_limit, depth > 600.0 ? quantile_bound(depth) : at_limit);
}

}  // namespace

std::uint64_t derived_key(std::uint64_t key, std::uint64_t index) {
  constexpr std::uint64_t kGoldenGamma = 0x9e3779b97f4a7c15;
  // The key is finalised first: neighbouring keys would otherwise give shifted copies of one sequence.
  return splitmix64_finaliser(splitmix64_finaliser(key + kGoldenGamma) + (index + 1) * kGoldenGamma);
}

double keyed_uniform(std::uint64_t key, std::uint64_t index) {
  // 52 bits and a half: odd multiples of 2^-53, all exact, never 0 or 1.
  return (static_cast<double>(derived_key(key, index) >> 12) + 0.5) * 0x1p-52;
}

PitStep randomised_pit_step(std::uint64_t trials, std::uint64_t count, double p) {
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  require(count <= trials, "drops <= trials");
  if (trials == 0) return {0.0, 1.0, 0.0};
  const boost::math::binomial_distribution<double> law(exact_double(trials), p);
  return {count == 0 ? 0.0 : binomial_lower_tail(trials, count - 1, p),
          boost::math::pdf(law, exact_double(count)),
          count == trials ? 0.0 : binomial_upper_tail(trials, count + 1, p)};
}

double randomised_pit_u(std::uint64_t trials, std::uint64_t count, double p, double v) {
  require(v > 0.0 && v < 1.0, "0 < v < 1");
  const PitStep step = randomised_pit_step(trials, count, p);
  return std::min(1.0, step.below + v * step.at);
}

double randomised_pit_z(std::uint64_t trials, std::uint64_t count, double p, double v) {
  return z_of(randomised_pit_step(trials, count, p), trials, count, p, v);
}

namespace {

// The steps of many cells' counts. Few numbers of trials occur, and counts that lie close together: one step
// is computed and the next ones follow from it by additions of positive terms, which keep its relative
// accuracy.
class PitSteps {
 public:
  PitSteps(std::span<const std::uint64_t> counts, std::span<const std::uint64_t> trials, double p) : p_(p) {
    std::map<std::uint64_t, std::pair<std::uint64_t, std::uint64_t>> ranges;  // of counts, by trials
    for (std::size_t j = 0; j < counts.size(); ++j) {
      const auto [at, is_new] = ranges.try_emplace(trials[j], counts[j], counts[j]);
      at->second = {std::min(at->second.first, counts[j]), std::max(at->second.second, counts[j])};
    }
    for (const auto& [n, range] : ranges) fill(n, range.first, range.second);
  }

  PitStep at(std::uint64_t trials, std::uint64_t count) const {
    const auto known = runs_.find(trials);
    return known != runs_.end() ? known->second.steps[count - known->second.first]
                                : randomised_pit_step(trials, count, p_);
  }

 private:
  struct Run {
    std::uint64_t first;  // count of steps[0]
    std::vector<PitStep> steps;
  };

  void fill(std::uint64_t trials, std::uint64_t lowest, std::uint64_t highest) {
    constexpr std::uint64_t kLongest = 1u << 14;
    if (highest > trials || highest - lowest > kLongest) return;
    Run run{lowest, {randomised_pit_step(trials, lowest, p_)}};
    // Far out in a tail terms vanish below what doubles hold, and nothing follows from them.
    constexpr double kSmall = 1e-280;
    const PitStep last = randomised_pit_step(trials, highest, p_);
    if (run.steps[0].at < kSmall || last.at < kSmall) return;
    const double odds = p_ / (1.0 - p_);
    for (std::uint64_t count = lowest; count < highest; ++count) {
      const PitStep& here = run.steps.back();
      const double next = here.at * odds * exact_double(trials - count) / exact_double(count + 1);
      run.steps.push_back({here.below + here.at, next, 0.0});
    }
    run.steps.back().above = last.above;
    for (std::size_t i = run.steps.size() - 1; i > 0; --i)
      run.steps[i - 1].above = run.steps[i].above + run.steps[i].at;
    runs_.emplace(trials, std::move(run));
  }

  double p_;
  std::map<std::uint64_t, Run> runs_;
};

}  // namespace

PitChiSquared randomised_pit_chi_squared(std::span<const std::uint64_t> counts,
                                         std::span<const std::uint64_t> trials, double p, std::uint64_t key) {
  require(counts.size() == trials.size(), "one number of trials per cell");
  require(!counts.empty(), "at least one cell");
  PitSteps steps(counts, trials, p);
  double statistic = 0.0;
  for (std::size_t j = 0; j < counts.size(); ++j) {
    const double z = z_of(steps.at(trials[j], counts[j]), trials[j], counts[j], p, keyed_uniform(key, j));
    statistic += z * z;
  }
  const double degrees = static_cast<double>(counts.size());
  Tail tail = chi_squared_upper(statistic, degrees);
  tail.engine = "randomised_pit_chi_squared";
  return {tail, statistic, degrees};
}

}  // namespace dropcheck::stats
