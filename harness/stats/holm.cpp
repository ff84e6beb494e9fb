#include "harness/stats/holm.hpp"

#include <algorithm>
#include <cmath>

#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {

std::vector<std::size_t> holm_rejections(std::span<const HolmHypothesis> hypotheses, double alpha) {
  require(alpha > 0.0 && alpha < 1.0, "0 < alpha < 1");
  double shared_out = 0;
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < hypotheses.size(); ++i) {
    require(hypotheses[i].log10_p <= 0.0, "log10 of a p-value <= 0");
    require(hypotheses[i].share >= 0.0, "share >= 0");
    shared_out += hypotheses[i].share;
    if (hypotheses[i].share > 0.0) order.push_back(i);
  }
  require(shared_out <= alpha * (1 + 1e-9), "shares add up to alpha at most");

  const auto ratio = [&](std::size_t i) { return hypotheses[i].log10_p - std::log10(hypotheses[i].share); };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return ratio(a) < ratio(b); });
  // What each step divides among the hypotheses that are left: the unspent rest counts as one that never
  // falls. Summed from the small end; the first step must compare with the shares themselves.
  std::vector<double> left(order.size());
  double sum = std::max(0.0, alpha - shared_out);
  for (std::size_t j = order.size(); j-- > 0;) left[j] = sum += hypotheses[order[j]].share;
  if (!left.empty()) left.front() = alpha;

  std::vector<std::size_t> rejected;
  for (std::size_t j = 0; j < order.size(); ++j) {
    if (ratio(order[j]) > std::log10(alpha / std::min(alpha, left[j]))) break;
    rejected.push_back(order[j]);
  }
  std::sort(rejected.begin(), rejected.end());
  return rejected;
}

}  // namespace dropcheck::stats
