#pragma once
// What a sum of products of centred bits can show. Z = n^(-1/2) sum phi_t, where phi is a product of (d - p)
// / sqrt(v) over different entries, has mean 0, variance 1 and the terms are uncorrelated for every p: lags,
// overlaps, triples and word weights are all of this form, so they share one power formula. Broken
// preconditions throw std::domain_error.

#include <cstdint>
#include <span>

namespace dropcheck::stats {

/// The number z with P(Z >= z) = tail, in (0,1), for the standardised gamma law of skewness gamma >= 0
/// (Pearson's type III; normal for 0): the upper critical value of a skewed sum, on the careful side for
/// products of bits.
double skewed_quantile(double gamma, double tail);

/// Smallest effect |E phi| on the heavier side that a two-sided test at level alpha rejects with probability
/// 1
/// - beta; gamma is the skewness of Z. The root of e sqrt(n) = z_{alpha/2} + z_beta sqrt(1 + gamma sqrt(n) e
/// - e^2), z_{alpha/2} from skewed_quantile and the variance of phi under the alternative of density 1 + e
/// phi. An effect on the lighter side is caught from a smaller size on. Infinity for n = 0 or where no e
/// suffices.
double character_min_effect(std::uint64_t n, double gamma, double alpha, double beta);

/// Smallest n with character_min_effect(n, term_skewness / sqrt(n), alpha, beta) <= effect, effect > 0;
/// term_skewness is E phi^3. The largest std::uint64_t when 2^53 terms do not suffice.
std::uint64_t character_min_samples(double effect, double alpha, double beta, double term_skewness = 0);

/// n times (fourth cumulant of Z less 3 times the square of its skewness) for products of independent factors
/// of mean 0, variance 1 and the given skewness and kurtosis (E x^3, E x^4) at t + offsets[0], t +
/// offsets[1], ...: kurtosis^s - 3 + 3 sum over shifts u != 0 of (kurtosis^m(u) - 1) - 3 skewness^(2s), s
/// factors, m(u) of them shared with the product shifted by u. Exact but for the ends of the sum: of four
/// shifted products whose mean is not 0 the first two and the last two are equal, because the first and the
/// last factor occur twice. For petrov_two_sided. Offsets are distinct.
double character_quartic(std::span<const std::uint32_t> offsets, double skewness, double kurtosis);

/// E a^3 / v^(3/2) = (1 - 2p) / sqrt(p q) of one centred bit, p in (0,1); to the power of the number of
/// factors it is the term skewness of a product.
double bit_skewness(double p);

/// E a^4 / v^2 = (1 - 3v) / v of one centred bit, p in (0,1).
double bit_kurtosis(double p);

}  // namespace dropcheck::stats
