#pragma once
// Sums of squared standardised counts: their tails, the effects they can see, and the two places where the
// chi-squared law is allowed to stand in for counts. Broken preconditions throw std::domain_error.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

/// P(chi2_nu >= statistic), nu = degrees_of_freedom > 0, statistic not NaN. Engine "chi_squared". Where the
/// probability leaves the range of doubles, log10_p is the Chernoff bound (r e^(1-r))^(nu/2), r =
/// statistic/nu. An infinite statistic is an impossible event.
Tail chi_squared_upper(double statistic, double degrees_of_freedom);

/// Noncentrality lambda at which a chi-squared test at level alpha rejects with probability 1 - beta; 0 when
/// alpha >= 1 - beta. Exact (Boost noncentral chi-squared) to 3000 degrees of freedom, beyond by the normal
/// approximation with mean nu + lambda and variance 2 (nu + 2 lambda), whose error falls as nu^(-1/2): at
/// alpha = 1e-9 and beta = 1e-6 it is 2 % too large at 3000 degrees, 1 % as an effect, on the careful side.
double chi_squared_noncentrality(double degrees_of_freedom, double alpha, double beta);

/// Root mean square deviation of the m cell rates from p that is rejected with probability 1 - beta,
/// `samples` > 0 trials over all cells: sqrt(lambda p q / samples), as a difference of probabilities; p in
/// (0,1).
double chi_squared_min_effect(double degrees_of_freedom, std::uint64_t samples, double alpha, double beta,
                              double p);

/// Smallest number of trials over all cells with chi_squared_min_effect <= effect, effect > 0. The largest
/// std::uint64_t when more than 2^63 would be needed.
std::uint64_t chi_squared_min_samples(double degrees_of_freedom, double effect, double alpha, double beta,
                                      double p);

/// Variance per cell from which Pearson's statistic may be referred to chi2 at levels down to 1e-9, where the
/// usual "five expected counts" is wrong by an order of magnitude: at p = 0.1 and 32 cells the true rate of
/// false alarms, by exact convolution, is 16 times the nominal 1e-9 at variance 9 and 1.2 times at 270.
inline constexpr double kPearsonMinimumVariance = 1000.0;

/// True when trials * p * q >= kPearsonMinimumVariance, 0 < p < 1.
bool pearson_is_valid(double trials_per_cell, double p);

/// Pearson's statistic of m independent cells, each Bin(trials_per_cell, p): sum (c - tp)^2 / (tpq) ~ chi2_m
/// (Pearson 1900). The total is not fixed, so no degree of freedom is lost. Empty when pearson_is_valid is
/// false or there is no cell.
std::optional<Tail> pearson_cells(std::span<const std::uint64_t> counts, std::uint64_t trials_per_cell,
                                  double p);

/// A goodness-of-fit test after pooling.
struct PooledChiSquared {
  Tail tail;
  double statistic;
  double degrees_of_freedom;  // cells - 1
  std::size_t cells;          // after pooling
};

/// Pearson's goodness of fit of `observed` to a multinomial law. `probabilities`, of the same length, sum to
/// 1 within 1e-9. From both ends towards the most probable cell, neighbours are pooled until each expects
/// min_expected > 0 counts; pooling never looks at the observed counts. Holds for levels down to 1e-9 from
/// min_expected of about 1000. Empty when fewer than 2 cells are left. A count in a cell of probability 0 is
/// an impossible event.
std::optional<PooledChiSquared> pooled_chi_squared(std::span<const std::uint64_t> observed,
                                                   std::span<const double> probabilities,
                                                   double min_expected);

}  // namespace dropcheck::stats
