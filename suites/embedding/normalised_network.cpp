#include "suites/embedding/normalised_network.hpp"

#include <cmath>

#include "suites/embedding/parameters.hpp"

namespace dropcheck::suites::embedding {

std::vector<double> positive_input(std::size_t count) {
  std::vector<double> x = scattered(count, 4);
  for (double& value : x) value += 2;
  return x;
}

Step normalised_step(std::int64_t rows, std::int64_t units, Norm norm, NormState state, double p, Mode mode) {
  Problem problem = problem_of(p, {rows, units});
  problem.mode = mode;
  std::vector<ExtraTensor> parameters = {
      identity_tensor("linear1.weight", units), filled_tensor("linear1.bias", {units}, 0),
      identity_tensor("linear2.weight", units), filled_tensor("linear2.bias", {units}, 0)};
  if (norm != Norm::none) {
    parameters.push_back(filled_tensor("norm.weight", {units}, 1));
    parameters.push_back(filled_tensor("norm.bias", {units}, state.shift));
    parameters.push_back(filled_tensor(kRunningMean, {units}, state.mean));
    parameters.push_back(filled_tensor(kRunningVar, {units}, state.variance));
  }
  Step step = given(seeded_step(problem), "mlp", std::move(parameters));
  step.values = positive_input(static_cast<std::size_t>(rows * units));
  step.attributes["hidden"] = units;
  step.attributes["outputs"] = units;
  if (norm != Norm::none) {
    step.attributes["norm"] = std::string(norm == Norm::before ? "before" : "after");
    step.outputs = {{kRunningMean, {units}}, {kRunningVar, {units}}};
  }
  return step;
}

double normalised(double v, double mean, double variance, double shift) {
  return (v - mean) / std::sqrt(variance + kEpsilon) + shift;
}

}  // namespace dropcheck::suites::embedding
