#pragma once
// The short form of the saddlepoint tail for sums that are almost normal: corrections for skewness and, where
// it is known, for the fourth cumulant. Broken preconditions throw std::domain_error.

#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

/// Largest |gamma z^3 / 6| and |quartic z^4 / 24| at which the factor is trusted: against exact convolutions
/// of lag products and of triple products the tail is then between 0.93 and 1.07 of the exact one, from 1e-2
/// to 1e-9; most of that is the step of their lattice, which shrinks as n^(-1/2). Without the quartic term,
/// which is 0.2 for triples at p = 1/4 and n = 8192, the tail would be 17 % too small there.
inline constexpr double kPetrovCubicLimit = 0.5;
inline constexpr double kPetrovQuarticLimit = 0.25;

/// Whether a test at two-sided level alpha in (0,1) can decide: the critical value on the heavier side lies
/// inside both limits. gamma: skewness of the standardised sum; quartic: its fourth cumulant less 3 gamma^2
/// (character_quartic / n), 0 where that is negligible.
bool petrov_is_valid(double gamma, double alpha, double quartic = 0);

/// Doubled tail min(1, 2 Q(|z|) exp(sign(z) gamma z^3 / 6 + quartic z^4 / 24)) of a sum with mean 0 and
/// variance 1, |gamma| and |quartic| <= 1/2 (the first two terms of the series of Cramer and Petrov: Petrov
/// 1975, chapter VIII, theorem 2). Engine "petrov". Beyond the limits the tail at the nearer limit, which is
/// larger: engine "petrov_limit"; it still rejects where petrov_is_valid. The same from 1e-300 on, so log10_p
/// is at least -301.
Tail petrov_two_sided(double z, double gamma, double quartic = 0);

}  // namespace dropcheck::stats
