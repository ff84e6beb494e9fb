#pragma once
// What restated tests of others have in common: what their tolerances can see, and the numbers they look at.

#include <fmt/format.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "suites/dialects/row.hpp"

namespace dropcheck::suites {

/// A normal variable stays below it with probability kPower = 1 - 1e-6.
inline constexpr double kZOfPower = 4.753424308822899;

/// The smallest error of a mean that a band of +-tolerance catches with probability kPower, where the mean
/// has that standard deviation: the band and kZOfPower deviations (normal approximation).
inline double visible(double tolerance, double deviation) { return tolerance + kZOfPower * deviation; }

/// Standard deviation of the mean of n outputs for inputs of 1: sqrt(p / (q n)).
inline double deviation_of_mean(double p, double n) { return std::sqrt(p / ((1 - p) * n)); }

/// Mean of the elements of reply i; `bytes` are its y, x, dy or dx.
inline double mean_of(const RowTrial& trial, std::size_t i, const std::vector<std::byte>& bytes) {
  const std::size_t n = trial.elements(i, bytes);
  double sum = 0;
  for (std::size_t e = 0; e < n; ++e) sum += trial.value(i, bytes, e);
  return sum / static_cast<double>(n);
}

/// Standard deviation of the elements of reply i, with n - 1.
inline double deviation_of(const RowTrial& trial, std::size_t i, const std::vector<std::byte>& bytes) {
  const std::size_t n = trial.elements(i, bytes);
  const double m = mean_of(trial, i, bytes);
  double sum = 0;
  for (std::size_t e = 0; e < n; ++e) sum += std::pow(trial.value(i, bytes, e) - m, 2);
  return std::sqrt(sum / static_cast<double>(n - 1));
}

/// |seen - expected| must be below the tolerance.
inline void require_within(RowTrial& trial, std::size_t i, const char* what, double seen, double expected,
                           double tolerance) {
  trial.require(std::fabs(seen - expected) < tolerance, [&] {
    return fmt::format("{}: {} is {:.4g}, more than {:.4g} from {:.4g}", trial.place(i), what, seen,
                       tolerance, expected);
  });
}

/// Means of output and gradient of every call against those of what went in.
inline void means_within(RowTrial& trial, double tolerance) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const Reply& reply = trial.reply(i);
    require_within(trial, i, "the mean of the output", mean_of(trial, i, reply.y), mean_of(trial, i, reply.x),
                   tolerance);
    if (!reply.dx.empty())
      require_within(trial, i, "the mean of the gradient", mean_of(trial, i, reply.dx),
                     mean_of(trial, i, reply.dy), tolerance);
  }
}

/// The same step with its gradient.
inline Step with_gradient(Step step, Input upstream = Input::ones) {
  step.upstream = upstream;
  return step;
}

}  // namespace dropcheck::suites
