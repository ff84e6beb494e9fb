#include "harness/stats/worst_cell.hpp"

#include "harness/stats/binomial.hpp"
#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {

WorstCell worst_cell(std::span<const std::uint64_t> counts, std::span<const std::uint64_t> trials, double p) {
  require(counts.size() == trials.size(), "one number of trials per cell");
  require(!counts.empty(), "at least one cell");
  std::size_t worst = 0;
  Tail smallest = binomial_two_sided(trials[0], counts[0], p);
  for (std::size_t j = 1; j < counts.size(); ++j) {
    const Tail tail = binomial_two_sided(trials[j], counts[j], p);
    if (tail.log10_p < smallest.log10_p) {  // logarithms still differ where p-values have underflowed
      smallest = tail;
      worst = j;
    }
  }
  const Tail corrected = bonferroni(smallest, counts.size(), "binomial_exact_bonferroni");
  return {corrected, worst, counts[worst], trials[worst]};
}

}  // namespace dropcheck::stats
