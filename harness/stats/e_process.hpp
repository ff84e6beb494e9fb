#pragma once
// Evidence that may be looked at after every night. An e-process is never negative and has mean at most 1
// under the null hypothesis whenever one stops, so it ever reaches 1/alpha with probability at most alpha
// (J. Ville 1939): data may be added for ever and the threshold stays. The ones here are functions of
// integers that add up, in any number of parts. All are given as natural logarithms, and depend on the data
// in the order of one long stream only through those integers.
// Accuracy: the error is below 1e-6 + 1e-13 |ln E| for up to 2^44 entries. n is at most 2^53. Broken
// preconditions throw std::domain_error.

#include <array>
#include <cstdint>
#include <span>

#include "harness/stats/pair_products.hpp"
#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

/// Drops x among n entries that have something in common.
struct DropCounts {
  std::uint64_t n = 0, x = 0;
};

/// Whether counts can be those of n pairs.
bool is_possible(const PairProducts& pairs);

/// ln of B(a + x, b + n - x) / (B(a, b) p^x q^(n - x)), a = kappa p, b = kappa q: the likelihood ratio
/// against a rate drawn from Beta(a, b), whose mean is p (H. Robbins 1970, mixtures). p in (0,1), kappa > 0.
/// Mean of E exactly 1 for every n. An error of the rate of sqrt(p q / kappa) is found fastest. Computed as N
/// KL(p + (x - n p)/N || p) - ln(A B / (N kappa p q)) / 2 plus Stirling remainders, N = n + kappa, A = a + x,
/// B = b + n - x: the large terms of the Gamma functions cancel by algebra.
double ln_beta_binomial_e(const DropCounts& counts, double p, double kappa);

/// Prior sample sizes that are mixed with equal weights. An error of the rate of sqrt(p q) / t is found
/// soonest with kappa = t^2; with the mixture it takes 10 to 25 per cent more entries, for t from 8 to 2^17.
inline constexpr std::array<double, 5> kPriorSizes = {0x1p6, 0x1p13, 0x1p20, 0x1p27, 0x1p34};

/// The mean over kPriorSizes: evidence that the rate is not p. 0 for n = 0.
double ln_rate_e(const DropCounts& counts, double p);

/// Evidence that the rate depends on a context which is known before the entry itself is drawn (its lane, its
/// neighbour): the product of ln_rate_e over contexts, each entry in exactly one of them. Also sees a wrong
/// rate.
double ln_context_e(std::span<const DropCounts> contexts, double p);

/// The two contexts of the right entry of a pair: its left one kept, its left one dropped.
std::array<DropCounts, 2> left_contexts(const PairProducts& pairs);

/// Evidence that the entries of pairs (t, t + k) of one lag k are correlated: the mean over lambda of prod (1
/// + lambda a_t a_{t+k}), a = d
/// - p, p in (0,1). Every factor has conditional mean 1 given the past, so pairs may overlap. lambda = 2^-j /
/// (p q) and -2^-j / max(p, q)^2, j = 2..13, with equal weights: larger negative lambdas would make a factor
/// negative (at p = 0.1 already -1/(4 p q) would), and no correlation below -min(p/q, q/p) exists to be found
/// by them.
double ln_lag_e(const PairProducts& pairs, double p);

/// ln of the arithmetic mean of e-values: an e-value again under any dependence (Vovk and Wang 2021). At
/// least one.
double ln_mean_e(std::span<const double> ln_e);

/// Confidence sequence {p0 : ln_rate_e(counts, p0) < ln(1/alpha)}, alpha in (0,1): covers the rate at all
/// times at once with probability at least 1 - alpha, and excludes p0 exactly when the evidence against it
/// reaches 1/alpha. It is an interval: ln E = sum_{i<x} ln(kappa + i/p0) + sum_{i<n-x} ln(kappa + i/q0) -
/// const is convex in p0, and so is the logarithm of a mean of such E. Ends by bisection of doubles, on the
/// excluded side; 0 or 1 where that side excludes nothing.
Interval rate_confidence_sequence(const DropCounts& counts, double alpha);

}  // namespace dropcheck::stats
