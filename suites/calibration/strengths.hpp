#pragma once
// How far a law has to be tilted for an event of a given level to become common.

#include <cstdint>
#include <functional>
#include <vector>

#include "suites/calibration/tilts.hpp"

namespace dropcheck::suites::calibration {

/// z with 2 Q(z) = level.
double two_sided_z(double level);

/// For each level and both signs z, and a fourth more than the furthest: skewed sums have their critical
/// value there.
std::vector<double> signed_strengths(const std::vector<double>& levels);

/// The rate p1 with n KL(p1 || p) = z^2 / 2, on the side of z's sign: where Binomial(n, p) has a tail of
/// about that of z. Inside (0,1).
double tilted_rate(double n, double p, double z);

/// A rate that may have left (0,1): no smaller than a twentieth of p, its complement of 1 - p.
double between_zero_and_one(double rate, double p);

/// Components for a context model of products of `factors` entries: centred[c] is the product of the centred
/// entries before the present one in context c, 0 where there are none. One for each z, with a mean of the
/// standardised product of z / sqrt(n).
std::vector<std::vector<ContextRate>> product_components(const std::vector<double>& centred, unsigned factors,
                                                         double n, double p,
                                                         const std::vector<double>& strengths);

/// Components for a chain of entries and their partners, context `after_keep` and the next one: the law of
/// independent entries times exp(theta sum of products), which is again a chain, theta such that the mean of
/// the standardised sum of n products is z. It is the best tilt for that sum.
std::vector<std::vector<ContextRate>> twisted_chains(std::size_t after_keep, double n, double p,
                                                     const std::vector<double>& strengths);

/// Spreads for RateSpread, and the excess of variance s - 1 in general, that make a chi-squared statistic of
/// so many degrees of freedom reach each level: s = critical value / degrees of freedom.
std::vector<double> chi_squared_excess(double degrees_of_freedom, const std::vector<double>& levels);

/// law(c) exp(theta g(c)), normalised, with theta such that the mean of g is `mean`. g must be bounded in
/// effect: what the law never yields does not count.
std::vector<double> exponentially_tilted(const std::vector<double>& law, const std::vector<double>& g,
                                         double mean);

/// The values 0..law.size()-1 in cells of probability >= least each, pooled from both ends; consecutive.
CellLaw pooled_cells(const std::vector<double>& law, double least);

}  // namespace dropcheck::suites::calibration
