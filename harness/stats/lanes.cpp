#include "harness/stats/lanes.hpp"

#include <algorithm>
#include <cmath>

#include "harness/stats/chi_squared.hpp"
#include "harness/stats/preconditions.hpp"
#include "harness/stats/randomised_pit.hpp"

namespace dropcheck::stats {
namespace {

std::vector<std::uint64_t> folded(std::span<const std::uint64_t> lanes, std::size_t modulus) {
  std::vector<std::uint64_t> sums(modulus, 0);
  for (std::size_t j = 0; j < lanes.size(); ++j) sums[j % modulus] += lanes[j];
  return sums;
}

// SS_m - SS_{m/2} pair by pair: lanes j and j + m/2 fold into one, and the difference of their squares is the
// square of one contrast. Subtracting the two sums would cancel when the overall rate is far off.
double increment(const std::vector<std::uint64_t>& counts, const std::vector<std::uint64_t>& trials,
                 double p) {
  const std::size_t half = counts.size() / 2;
  double sum = 0.0;
  for (std::size_t j = 0; j < half; ++j) {
    const double n0 = exact_double(trials[j]);
    const double n1 = exact_double(trials[j + half]);
    const double deviation0 = std::fma(-n0, p, exact_double(counts[j]));
    const double deviation1 = std::fma(-n1, p, exact_double(counts[j + half]));
    const double contrast = deviation0 / n0 - deviation1 / n1;
    sum += contrast * contrast / (1.0 / n0 + 1.0 / n1);
  }
  return sum / (p * (1.0 - p));
}

}  // namespace

std::vector<LaneTest> nested_lanes(std::span<const std::uint64_t> counts1024,
                                   std::span<const std::uint64_t> trials1024, double p, std::uint64_t key) {
  require(counts1024.size() == kLanes && trials1024.size() == kLanes, "1024 lanes");
  if (!(p > 0.0 && p < 1.0)) return {};
  for (std::size_t j = 0; j < kLanes; ++j) require(counts1024[j] <= trials1024[j], "drops <= trials");
  std::vector<LaneTest> tests;
  for (std::size_t m = 2; m <= kLanes; m *= 2) {
    const std::vector<std::uint64_t> counts = folded(counts1024, m);
    const std::vector<std::uint64_t> trials = folded(trials1024, m);
    const double fewest = exact_double(*std::min_element(trials.begin(), trials.end()));
    if (pearson_is_valid(fewest, p)) {
      const double statistic = increment(counts, trials, p);
      const std::uint64_t new_cells = m / 2;
      const auto degrees = static_cast<double>(new_cells);
      tests.push_back({m, chi_squared_upper(statistic, degrees), statistic, degrees});
    } else {
      const PitChiSquared pit = randomised_pit_chi_squared(counts, trials, p, derived_key(key, m));
      tests.push_back({m, pit.tail, pit.statistic, pit.degrees_of_freedom});
    }
  }
  return tests;
}

}  // namespace dropcheck::stats
