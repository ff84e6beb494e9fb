#pragma once
// The form `mlp` with the identity for both linear maps, so that its result shows what dropout and batch
// normalisation made of x.

#include <string>
#include <vector>

#include "suites/dialects/row.hpp"

namespace dropcheck::suites::embedding {

enum class Norm : std::uint8_t { none, before, after };  // before or after dropout
inline constexpr Norm kNorms[] = {Norm::none, Norm::before, Norm::after};

inline constexpr const char* kRunningMean = "norm.running_mean";
inline constexpr const char* kRunningVar = "norm.running_var";
inline constexpr double kEpsilon = 1e-5;  // of batch normalisation

/// Numbers that the normalisation holds; gain 1.
struct NormState {
  double shift = 0;  // its bias
  double mean = 0, variance = 1;
};

/// x is positive: multiples of 1/8 from 1 to 3.
std::vector<double> positive_input(std::size_t count);

/// A call on `rows` of `units` numbers of positive_input; the running statistics are asked for as outputs.
Step normalised_step(std::int64_t rows, std::int64_t units, Norm norm, NormState state, double p,
                     Mode mode = Mode::train);

/// What batch normalisation makes of v with these statistics.
double normalised(double v, double mean, double variance, double shift);

}  // namespace dropcheck::suites::embedding
