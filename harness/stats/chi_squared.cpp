#include "harness/stats/chi_squared.hpp"

#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/non_central_chi_squared.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/special_functions/log1p.hpp>
#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include "harness/stats/memo.hpp"
#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

constexpr const char* kEngine = "chi_squared";
constexpr double kExactNoncentralityLimit = 3000.0;

struct Cell {
  double observed = 0.0;
  double expected = 0.0;
};

void add(Cell& to, const Cell& from) {
  to.observed += from.observed;
  to.expected += from.expected;
}

// Closes a pooled cell whenever it expects enough; what is left over joins `mode`.
template <typename Iterator>
std::vector<Cell> pool_towards(Iterator first, Iterator last, double min_expected, Cell& mode) {
  std::vector<Cell> pooled;
  Cell open;
  for (; first != last; ++first) {
    add(open, *first);
    if (open.expected >= min_expected) {
      pooled.push_back(open);
      open = {};
    }
  }
  add(mode, open);
  return pooled;
}

std::vector<Cell> pool(const std::vector<Cell>& cells, double min_expected) {
  const auto mode_at = std::max_element(cells.begin(), cells.end(),
                                        [](const Cell& a, const Cell& b) { return a.expected < b.expected; });
  Cell mode = *mode_at;
  std::vector<Cell> pooled = pool_towards(cells.begin(), mode_at, min_expected, mode);
  const auto after_mode = std::make_reverse_iterator(mode_at + 1);
  std::vector<Cell> right = pool_towards(cells.rbegin(), after_mode, min_expected, mode);
  pooled.insert(pooled.end(), right.begin(), right.end());
  if (mode.expected < min_expected && !pooled.empty()) {
    add(pooled.back(), mode);
  } else {
    pooled.push_back(mode);
  }
  return pooled;
}

double noncentrality(double degrees_of_freedom, double alpha, double beta) {
  const boost::math::chi_squared_distribution<double> null_law(degrees_of_freedom);
  const double critical = boost::math::quantile(boost::math::complement(null_law, alpha));
  if (degrees_of_freedom <= kExactNoncentralityLimit) {
    return boost::math::non_central_chi_squared_distribution<double>::find_non_centrality(degrees_of_freedom,
                                                                                          critical, beta);
  }
  const boost::math::normal_distribution<double> normal;
  const double z = boost::math::quantile(boost::math::complement(normal, beta));
  // (nu + lambda - critical)^2 = 2 z^2 (nu + 2 lambda), the root on the side of z.
  const double gap = critical - degrees_of_freedom;
  const double root = std::sqrt(z * z * (4.0 * gap + 4.0 * z * z + 2.0 * degrees_of_freedom));
  return std::max(0.0, gap + 2.0 * z * z + std::copysign(root, z));
}

}  // namespace

Tail chi_squared_upper(double statistic, double degrees_of_freedom) {
  require(degrees_of_freedom > 0.0 && std::isfinite(degrees_of_freedom), "degrees of freedom > 0");
  require(!std::isnan(statistic), "the statistic is a number");
  if (statistic <= 0.0) return tail_from_p(1.0, kEngine);
  if (std::isinf(statistic)) return impossible_event(kEngine);
  const boost::math::chi_squared_distribution<double> law(degrees_of_freedom);
  const double p = boost::math::cdf(boost::math::complement(law, statistic));
  if (p >= kSmallestExactTail) return tail_from_p(p, kEngine);
  const double ln_bound = degrees_of_freedom / 2 * boost::math::log1pmx(statistic / degrees_of_freedom - 1.0);
  return tail_below_exact(p, ln_bound, kEngine);
}

double chi_squared_noncentrality(double degrees_of_freedom, double alpha, double beta) {
  require_error_rates(alpha, beta);
  require(degrees_of_freedom > 0.0 && std::isfinite(degrees_of_freedom), "degrees of freedom > 0");
  if (alpha >= 1.0 - beta) return 0.0;
  // Samples of many sizes ask for the same few, and each is a search among series.
  thread_local Memo<std::tuple<double, double, double>, double, 1024> known;
  return known.of({degrees_of_freedom, alpha, beta},
                  [&] { return noncentrality(degrees_of_freedom, alpha, beta); });
}

double chi_squared_min_effect(double degrees_of_freedom, std::uint64_t samples, double alpha, double beta,
                              double p) {
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  const double lambda = chi_squared_noncentrality(degrees_of_freedom, alpha, beta);
  if (samples == 0) return std::numeric_limits<double>::infinity();
  return std::sqrt(lambda * p * (1.0 - p) / static_cast<double>(samples));
}

std::uint64_t chi_squared_min_samples(double degrees_of_freedom, double effect, double alpha, double beta,
                                      double p) {
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  require(effect > 0.0, "effect > 0");
  const double lambda = chi_squared_noncentrality(degrees_of_freedom, alpha, beta);
  const double samples = std::max(1.0, std::ceil(lambda * p * (1.0 - p) / (effect * effect)));
  constexpr double kLimit = 0x1p63;
  return samples < kLimit ? static_cast<std::uint64_t>(samples) : std::numeric_limits<std::uint64_t>::max();
}

bool pearson_is_valid(double trials_per_cell, double p) {
  return p > 0.0 && p < 1.0 && trials_per_cell * p * (1.0 - p) >= kPearsonMinimumVariance;
}

std::optional<Tail> pearson_cells(std::span<const std::uint64_t> counts, std::uint64_t trials_per_cell,
                                  double p) {
  const double trials = exact_double(trials_per_cell);
  if (counts.empty() || !pearson_is_valid(trials, p)) return std::nullopt;
  double sum_squares = 0.0;
  for (const std::uint64_t count : counts) {
    require(count <= trials_per_cell, "drops <= trials");
    const double deviation = std::fma(-trials, p, exact_double(count));
    sum_squares += deviation * deviation;
  }
  return chi_squared_upper(sum_squares / (trials * p * (1.0 - p)), static_cast<double>(counts.size()));
}

std::optional<PooledChiSquared> pooled_chi_squared(std::span<const std::uint64_t> observed,
                                                   std::span<const double> probabilities,
                                                   double min_expected) {
  require(observed.size() == probabilities.size(), "one probability per cell");
  require(min_expected > 0.0, "min_expected > 0");
  if (observed.empty()) return std::nullopt;
  double total = 0.0;
  double mass = 0.0;
  bool excluded = false;
  for (std::size_t i = 0; i < observed.size(); ++i) {
    require(probabilities[i] >= 0.0, "probabilities >= 0");
    total += exact_double(observed[i]);
    mass += probabilities[i];
    excluded = excluded || (probabilities[i] == 0.0 && observed[i] > 0);
  }
  require(std::abs(mass - 1.0) <= 1e-9, "probabilities sum to 1");
  std::vector<Cell> cells(observed.size());
  for (std::size_t i = 0; i < cells.size(); ++i)
    cells[i] = {exact_double(observed[i]), total * probabilities[i]};
  cells = pool(cells, min_expected);
  if (cells.size() < 2) return std::nullopt;
  double statistic = 0.0;
  for (const Cell& cell : cells) {
    const double deviation = cell.observed - cell.expected;
    statistic += deviation * deviation / cell.expected;
  }
  if (excluded) statistic = std::numeric_limits<double>::infinity();
  const double degrees = static_cast<double>(cells.size() - 1);
  return PooledChiSquared{chi_squared_upper(statistic, degrees), statistic, degrees, cells.size()};
}

}  // namespace dropcheck::stats
