#include "harness/stats/tail.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {

Tail tail_from_p(double p, const char* engine) {
  require(p >= 0.0, "p-value >= 0");
  const double capped = std::min(1.0, p);
  return {capped, std::log10(capped), engine};
}

Tail tail_from_ln(double ln_p, const char* engine) {
  require(!std::isnan(ln_p), "log of a p-value is a number");
  const double capped = std::min(0.0, ln_p);
  return {std::exp(capped), capped * std::numbers::log10e, engine};
}

Tail tail_below_exact(double p, double ln_bound, const char* engine) {
  require(p >= 0.0 && p <= kSmallestExactTail, "p-value below the exact range");
  require(!std::isnan(ln_bound), "log of a bound is a number");
  return {p, std::min(ln_bound * std::numbers::log10e, std::log10(kSmallestExactTail)), engine};
}

Tail impossible_event(const char* engine) { return {0.0, -std::numeric_limits<double>::infinity(), engine}; }

Tail bonferroni(const Tail& smallest, std::size_t tests, const char* engine) {
  const double factor = static_cast<double>(tests);
  return {std::min(1.0, factor * smallest.p_value), std::min(0.0, smallest.log10_p + std::log10(factor)),
          engine};
}

}  // namespace dropcheck::stats
