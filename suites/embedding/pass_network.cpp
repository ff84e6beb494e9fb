#include "suites/embedding/pass_network.hpp"

#include <cmath>

#include "suites/embedding/parameters.hpp"

namespace dropcheck::suites::embedding {

int PassNetwork::part(std::size_t unit) const {
  const int active = relu && first[unit] < 0 ? 0 : first[unit];
  return active * second[unit];
}

int PassNetwork::sum_of_kept(std::size_t kept) const {
  int sum = 0;
  for (std::size_t unit = 0; unit < kPassUnits; ++unit)
    if ((kept >> unit & 1) != 0) sum += part(unit);
  return sum;
}

Step PassNetwork::step(std::int64_t rows, double p, Mode mode) const {
  constexpr auto kUnits = static_cast<std::int64_t>(kPassUnits);
  Problem problem = problem_of(p, {rows, 1});
  problem.mode = mode;
  Step step =
      given(seeded_step(problem), "mlp",
            {{.name = "linear1.weight", .shape = {kUnits, 1}, .values = {first.begin(), first.end()}},
             filled_tensor("linear1.bias", {kUnits}, 0),
             {.name = "linear2.weight", .shape = {1, kUnits}, .values = {second.begin(), second.end()}},
             filled_tensor("linear2.bias", {1}, bias)});
  step.count_words = false;
  step.attributes["hidden"] = kUnits;
  step.attributes["outputs"] = std::int64_t{1};
  step.attributes["activation"] = std::string(relu ? "relu" : "identity");
  return step;
}

std::optional<std::int64_t> whole_number(double y, double bias, double scale) {
  const double number = (y - bias) / scale, whole = std::round(number);
  if (!near(number, whole, 0.02) || std::abs(whole) > 1e9) return std::nullopt;
  return static_cast<std::int64_t>(whole);
}

}  // namespace dropcheck::suites::embedding
