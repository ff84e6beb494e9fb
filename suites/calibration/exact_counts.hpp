#pragma once
// Where a p-value depends on one integer of known law, its true level is a sum over all outcomes and needs no
// simulation. The law is summed here in its own way, not by the engines that are calibrated.

#include <cstdint>
#include <functional>
#include <vector>

#include "suites/calibration/importance_sampling.hpp"

namespace dropcheck::suites::calibration {

/// An integer T of a mask, lowest to highest.
struct CountLaw {
  std::uint64_t lowest = 0, middle = 0, highest = 0;       // middle: where p-values are largest
  std::function<MaskBits(std::uint64_t t)> mask;           // some mask with T = t
  std::function<long double(std::uint64_t t)> upper_tail;  // P(T >= t)
  std::function<long double(std::uint64_t t)> lower_tail;  // P(T <= t)
  std::uint64_t cells = 1;  // the p-value is the smallest of so many independent copies of T, corrected
};

/// P(p-value <= level) for every level: the p-value must not rise away from the middle, which is how the
/// critical values are found, by bisection, and what is checked next to them.
std::vector<Measured> enumerate(const PValueUnderTest& test, const CountLaw& law,
                                const std::vector<double>& levels);

/// P(X >= x) and P(X <= x) of Binomial(n, p): the series of its terms in long double.
long double binomial_terms_above(std::uint64_t n, std::uint64_t x, double p);
long double binomial_terms_below(std::uint64_t n, std::uint64_t x, double p);

/// P(some run of `length` or more in n entries, each of the run's kind with probability `rate`), by the
/// recursion over the first run that is complete (Feller 1968, XIII.7); and its complement, without
/// cancellation in either.
long double run_probability(std::uint64_t n, std::uint64_t length, double rate);
long double no_run_probability(std::uint64_t n, std::uint64_t length, double rate);

}  // namespace dropcheck::suites::calibration
