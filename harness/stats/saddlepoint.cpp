#include "harness/stats/saddlepoint.hpp"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <limits>
#include <numbers>

#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

constexpr int kMaxSteps = 400;
constexpr double kLargestTilt = 1e9;  // of theta times the standard deviation: far beyond any tail of doubles

/// The upper tail at one theta > 0, with s = K'(theta).
struct UpperTail {
  double ln_p;
  enum class Kind { lugannani_rice, bound, bound_below_range } kind;
};

double ln_normal_density(double w) { return -0.5 * w * w - 0.5 * std::log(2 * std::numbers::pi); }

double deviation(const CumulantFunction& cumulants) { return std::sqrt(cumulants(0).k2); }

// 1/u - 1/w at theta with s = K'(theta), w = sqrt(2 (theta s - K)), u = theta sqrt(K'').
double correction(double theta, const Cumulants& c) {
  return 1 / (theta * std::sqrt(c.k2)) - 1 / std::sqrt(2 * (theta * c.k1 - c.k));
}

UpperTail upper_tail(const CumulantFunction& cumulants, double theta, double s) {
  const Cumulants c = cumulants(theta);
  const double exponent = theta * s - c.k;
  const UpperTail bound{exponent > 0 ? -exponent : 0.0, UpperTail::Kind::bound};
  if (!(exponent > 0) || !(c.k2 > 0)) return bound;
  const double w = std::sqrt(2 * exponent);
  // Both terms of the correction grow without limit as s nears the mean and their difference loses all
  // digits; it is continuous, so nearer than a hundredth of a deviation its value there is taken.
  constexpr double kNear = 0.01;
  const double at = w < kNear ? kNear / deviation(cumulants) : theta;
  const double difference = w < kNear ? correction(at, cumulants(at)) : correction(theta, c);
  const boost::math::normal_distribution<double> normal;
  const double p =
      boost::math::cdf(boost::math::complement(normal, w)) + std::exp(ln_normal_density(w)) * difference;
  if (!(p >= 0) || !(std::log(p) <= bound.ln_p)) return bound;
  if (p < kSmallestExactTail) return {bound.ln_p, UpperTail::Kind::bound_below_range};
  return {std::log(p), UpperTail::Kind::lugannani_rice};
}

// The theta > 0 with K'(theta) = s > 0, K' rising: Newton's steps, bisection where they leave the bracket.
// Where K stops to exist, K' counts as infinite. Infinity where K' does not reach s.
double saddlepoint_of(const CumulantFunction& cumulants, double s) {
  const double largest = kLargestTilt / deviation(cumulants);
  const auto below = [&](const Cumulants& c) { return std::isfinite(c.k1) && c.k1 < s; };
  double low = 0.0;
  double high = s / cumulants(0).k2;
  while (below(cumulants(high))) {
    low = high;
    high *= 2;
    if (!(high <= largest)) return std::numeric_limits<double>::infinity();
  }
  double theta = high;
  for (int step = 0; step < kMaxSteps; ++step) {
    const Cumulants c = cumulants(theta);
    (below(c) ? low : high) = theta;
    double next = theta - (c.k1 - s) / c.k2;
    if (!(next > low && next < high)) next = low + (high - low) / 2;
    if (std::abs(next - theta) <= 1e-14 * theta || next == low || next == high) return next;
    theta = next;
  }
  return theta;
}

// The smallest of the bounds K(theta) - theta s: s lies at or beyond the end of the support, where they fall
// for ever, towards ln P(S = upper end) or without limit.
double best_bound(const CumulantFunction& cumulants, double s) {
  const double unit = 1 / deviation(cumulants);
  double best = 0.0;
  for (double theta = unit / 16; theta <= kLargestTilt * unit; theta *= 2) {
    const Cumulants c = cumulants(theta);
    if (!std::isfinite(c.k)) break;  // K does not exist, or overflows, from here on
    const double bound = c.k - theta * s;
    if (best < 0 && best - bound < 1e-9 * std::abs(best)) break;  // at its limit; only rounding is left
    best = std::min(best, bound);
  }
  return best;
}

UpperTail tail_above(const CumulantFunction& cumulants, double upper_end, double s) {
  if (s < upper_end) {
    const double theta = saddlepoint_of(cumulants, s);
    if (std::isfinite(theta)) return upper_tail(cumulants, theta, s);
  }
  return {best_bound(cumulants, s), UpperTail::Kind::bound};
}

CumulantFunction mirrored(const CumulantFunction& cumulants) {
  return [&cumulants](double theta) {
    const Cumulants c = cumulants(-theta);
    return Cumulants{c.k, -c.k1, c.k2};
  };
}

}  // namespace

Tail saddlepoint_two_sided(const CumulantFunction& cumulants, const Support& support, double s) {
  constexpr const char* kBound = "saddlepoint_chernoff";
  require(std::isfinite(s), "the sum is a finite number");
  require(support.lower <= 0 && support.upper >= 0, "the support holds the mean, 0");
  const double variance = cumulants(0).k2;
  require(std::isfinite(variance) && variance >= 0, "the variance is finite and not negative");
  if (variance == 0) return s == 0 ? tail_from_p(1.0, kBound) : impossible_event(kBound);
  if (s == 0) return tail_from_p(1.0, "saddlepoint");
  const UpperTail tail =
      s > 0 ? tail_above(cumulants, support.upper, s) : tail_above(mirrored(cumulants), -support.lower, -s);
  const double ln_doubled = std::numbers::ln2 + tail.ln_p;
  if (tail.kind == UpperTail::Kind::bound_below_range || ln_doubled < std::log(kSmallestExactTail))
    return tail_below_exact(std::min(std::exp(ln_doubled), kSmallestExactTail), ln_doubled, kBound);
  return tail_from_ln(ln_doubled, tail.kind == UpperTail::Kind::lugannani_rice ? "saddlepoint" : kBound);
}

double saddlepoint_upper_quantile(const CumulantFunction& cumulants, const Support& support, double tail) {
  require(tail > 0.0 && tail < 0.5, "0 < tail < 1/2");
  const double ln_tail = std::log(tail);
  const double unit = 1 / deviation(cumulants);
  require(std::isfinite(unit), "the variance is positive");
  const auto beyond = [&](double theta) {
    return upper_tail(cumulants, theta, cumulants(theta).k1).ln_p <= ln_tail;
  };
  double low = 0.0;
  double high = unit;
  while (!beyond(high)) {
    low = high;
    high *= 2;
    if (high > kLargestTilt * unit) return support.upper;
  }
  for (int step = 0; step < 60; ++step) {
    const double middle = low + (high - low) / 2;
    (beyond(middle) ? high : low) = middle;
  }
  return std::min(support.upper, cumulants(high).k1);
}

}  // namespace dropcheck::stats
