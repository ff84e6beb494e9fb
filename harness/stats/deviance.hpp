#pragma once
// Logarithms of binomial probabilities without cancellation. n ln p + ... subtracts numbers of size n to get
// one of size z^2/2; the deviance form starts from the difference instead and keeps full precision at any n.

namespace dropcheck::stats {

/// (1+u) ln(1+u) - u for u >= -1; about u^2/2 near 0, 1 at u = -1. Relative error of a few ulp.
double entropy_excess(double u);

/// Kullback-Leibler divergence KL(p+e || p) of two Bernoulli laws, in nats, from p in (0,1), q = 1-p and the
/// difference e, with p+e in [0,1]: p h(e/p) + q h(-e/q), h = entropy_excess.
double bernoulli_divergence(double p, double q, double e);

/// ln(k!) minus the leading terms of Stirling's formula, k >= 1 (C. Loader, "Fast and accurate computation of
/// binomial probabilities", 2000). Absolute error below 1e-15.
double stirling_error(double k);

}  // namespace dropcheck::stats
