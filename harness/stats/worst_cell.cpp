#include "harness/stats/worst_cell.hpp"

#include <map>

#include "harness/stats/binomial.hpp"
#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {

WorstCell worst_cell(std::span<const std::uint64_t> counts, std::span<const std::uint64_t> trials, double p,
                     std::optional<std::uint64_t> chosen) {
  require(counts.size() == trials.size(), "one number of trials per cell");
  require(!counts.empty(), "at least one cell");
  if (chosen) {
    require(*chosen < counts.size(), "the chosen cell exists");
    const auto index = static_cast<std::size_t>(*chosen);
    return {binomial_two_sided(trials[index], counts[index], p), index, counts[index], trials[index], 1};
  }
  // Among cells of equal trials the p-value is smallest at the fewest or at the most counts.
  struct Ends {
    std::size_t fewest, most;
  };
  std::map<std::uint64_t, Ends> by_trials;
  for (std::size_t j = 0; j < counts.size(); ++j) {
    Ends& ends = by_trials.try_emplace(trials[j], Ends{j, j}).first->second;
    if (counts[j] < counts[ends.fewest]) ends.fewest = j;
    if (counts[j] > counts[ends.most]) ends.most = j;
  }
  std::optional<std::size_t> found;
  Tail smallest{};
  for (const auto& [size, ends] : by_trials)
    for (const std::size_t j : {ends.fewest, ends.most}) {
      const Tail tail = binomial_two_sided(size, counts[j], p);
      // Logarithms still differ where p-values have underflowed; among equals the first cell counts.
      if (found && (tail.log10_p > smallest.log10_p || (tail.log10_p == smallest.log10_p && j >= *found)))
        continue;
      smallest = tail;
      found = j;
    }
  const std::size_t worst = *found;
  const Tail corrected = bonferroni(smallest, counts.size(), "binomial_exact_bonferroni");
  return {corrected, worst, counts[worst], trials[worst], counts.size()};
}

}  // namespace dropcheck::stats
