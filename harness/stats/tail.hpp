#pragma once
// A p-value that can be reported however small it is. A double holds no probability below about 1e-308, which
// a defective mask passes easily, and a printed zero says nothing; so the decimal logarithm travels with the
// value.

#include <cstddef>

namespace dropcheck::stats {

/// The probability, under the null hypothesis, of data at least as extreme as those seen.
struct Tail {
  double p_value;      // in [0, 1]; may underflow to 0
  double log10_p;      // finite, at most 0; -infinity only for an event the null hypothesis excludes
  const char* engine;  // how it was computed; a string literal, never owned
};

/// A closed interval of probabilities.
struct Interval {
  double lower;
  double upper;
};

/// Below this value the exact engines give way to bounds: doubles lose digits from 1e-308 on.
inline constexpr double kSmallestExactTail = 1e-300;

/// p-value `p` as it is, capped at 1. `p` must be positive or NaN-free zero only for excluded events.
Tail tail_from_p(double p, const char* engine);

/// The tail with natural logarithm `ln_p`, capped at probability 1.
Tail tail_from_ln(double ln_p, const char* engine);

/// A p-value `p` below kSmallestExactTail with a proven bound `ln_bound` on its natural logarithm. The
/// smaller of the two known bounds is kept, so that log10_p does not jump upwards where the exact engine
/// ends.
Tail tail_below_exact(double p, double ln_bound, const char* engine);

/// An event that cannot happen under the null hypothesis: p_value 0, log10_p -infinity.
Tail impossible_event(const char* engine);

/// The Bonferroni correction for the smallest of `tests` p-values: times `tests`, capped at 1. Valid under
/// any dependence between the tests.
Tail bonferroni(const Tail& smallest, std::size_t tests, const char* engine);

}  // namespace dropcheck::stats
