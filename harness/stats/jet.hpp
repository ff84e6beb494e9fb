#pragma once
// Second-order Taylor arithmetic: a value with its first and second derivatives by one variable. Derivatives
// of long formulas come out exact to rounding, with nothing to differentiate by hand.

#include <cmath>

namespace dropcheck::stats {

struct Jet {
  double value;
  double first = 0;   // derivative
  double second = 0;  // second derivative
};

inline Jet operator+(const Jet& a, const Jet& b) {
  return {a.value + b.value, a.first + b.first, a.second + b.second};
}
inline Jet operator-(const Jet& a, const Jet& b) {
  return {a.value - b.value, a.first - b.first, a.second - b.second};
}
inline Jet operator*(double c, const Jet& a) { return {c * a.value, c * a.first, c * a.second}; }
inline Jet operator*(const Jet& a, const Jet& b) {
  return {a.value * b.value, a.first * b.value + a.value * b.first,
          a.second * b.value + 2 * a.first * b.first + a.value * b.second};
}
inline Jet operator+(double c, const Jet& a) { return {c + a.value, a.first, a.second}; }

/// A function of a jet from its value and derivatives there: the chain rule.
inline Jet compose(const Jet& a, double value, double first, double second) {
  return {value, first * a.first, second * a.first * a.first + first * a.second};
}
inline Jet inverse(const Jet& a) {
  const double r = 1 / a.value;
  return compose(a, r, -r * r, 2 * r * r * r);
}
inline Jet operator/(const Jet& a, const Jet& b) { return a * inverse(b); }
inline Jet sqrt(const Jet& a) {
  const double root = std::sqrt(a.value);
  return compose(a, root, 0.5 / root, -0.25 / (root * a.value));
}
inline Jet log(const Jet& a) { return compose(a, std::log(a.value), 1 / a.value, -1 / (a.value * a.value)); }
inline Jet log1p(const Jet& a) {
  const double r = 1 / (1 + a.value);
  return compose(a, std::log1p(a.value), r, -r * r);
}
/// a to a whole power n >= 0, a of either sign or 0.
inline Jet power(const Jet& a, double n) {
  if (n == 0) return {1};
  if (n == 1) return a;
  return compose(a, std::pow(a.value, n), n * std::pow(a.value, n - 1),
                 n * (n - 1) * std::pow(a.value, n - 2));
}

/// exp(x), x = c * theta.
inline Jet exp_of(double c, double theta) {
  const double e = std::exp(c * theta);
  return {e, c * e, c * c * e};
}
/// exp(x) - 1, x = c * theta.
inline Jet expm1_of(double c, double theta) {
  const double e = std::exp(c * theta);
  return {std::expm1(c * theta), c * e, c * c * e};
}

/// exp(x) - 1 - x without cancellation near 0.
inline double exp_excess(double x) {
  if (std::abs(x) > 0.5) return std::expm1(x) - x;
  double sum = 1;
  for (int k = 16; k > 2; --k) sum = 1 + sum * x / k;  // 0.5^16 / 16! is below 1e-18
  return sum * x * x / 2;
}
/// exp_excess(x), x = c * theta.
inline Jet exp_excess_of(double c, double theta) {
  return {exp_excess(c * theta), c * std::expm1(c * theta), c * c * std::exp(c * theta)};
}

}  // namespace dropcheck::stats
