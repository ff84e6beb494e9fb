#include "harness/stats/extreme_cell.hpp"

#include <algorithm>
#include <cmath>

#include "harness/stats/binomial.hpp"
#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {

WorstCell extreme_cell(std::span<const std::uint64_t> observed, std::span<const double> probabilities,
                       std::optional<std::uint64_t> chosen) {
  require(observed.size() == probabilities.size(), "one probability per cell");
  require(!observed.empty(), "at least one cell");
  std::uint64_t total = 0;
  for (const std::uint64_t count : observed) total += count;
  const auto tail_of = [&](std::size_t j) {
    return binomial_two_sided(total, observed[j], probabilities[j]);
  };
  if (chosen) {
    require(*chosen < observed.size(), "the chosen cell exists");
    const auto index = static_cast<std::size_t>(*chosen);
    return {tail_of(index), index, observed[index], total, 1};
  }
  std::size_t worst = 0;
  Tail smallest = tail_of(0);
  for (std::size_t j = 1; j < observed.size(); ++j) {
    const Tail tail = tail_of(j);
    if (tail.log10_p < smallest.log10_p) {
      smallest = tail;
      worst = j;
    }
  }
  const Tail corrected = bonferroni(smallest, observed.size(), "binomial_exact_bonferroni");
  return {corrected, worst, observed[worst], total, observed.size()};
}

double extreme_cell_min_effect(std::span<const double> probabilities, std::uint64_t total, double alpha,
                               double beta) {
  require(!probabilities.empty(), "at least one cell");
  // The variance, and with it the effect, is largest in the cell nearest to 1/2.
  const double widest = *std::min_element(probabilities.begin(), probabilities.end(), [](double a, double b) {
    return std::abs(a - 0.5) < std::abs(b - 0.5);
  });
  return binomial_min_effect(total, alpha / static_cast<double>(probabilities.size()), beta, widest);
}

}  // namespace dropcheck::stats
