#include "suites/embedding/parameters.hpp"

#include <cmath>

namespace dropcheck::suites::embedding {

ExtraTensor filled_tensor(std::string name, std::vector<std::int64_t> shape, double value) {
  ExtraTensor tensor{.name = std::move(name), .shape = std::move(shape)};
  tensor.values.assign(static_cast<std::size_t>(element_count(tensor.shape)), value);
  return tensor;
}

ExtraTensor identity_tensor(std::string name, std::int64_t n, double gain, std::size_t further) {
  std::vector<std::int64_t> shape = {n, n};
  shape.insert(shape.end(), further, 1);
  ExtraTensor tensor = filled_tensor(std::move(name), std::move(shape), 0);
  for (std::int64_t i = 0; i < n; ++i) tensor.values[static_cast<std::size_t>(i * n + i)] = gain;
  return tensor;
}

std::vector<double> scattered(std::size_t count, std::uint64_t salt) {
  std::vector<double> values(count);
  std::uint64_t state = salt * 0x9e3779b97f4a7c15 + 1;
  for (double& value : values) {  // Knuth's MMIX generator; any numbers would do
    state = state * 6364136223846793005u + 1442695040888963407u;
    value = (static_cast<double>(state >> 33 & 0xffff) / 4096 - 8) / 8;
    value = std::round(value * 8) / 8;
  }
  return values;
}

Step given(Step step, const std::string& form, std::vector<ExtraTensor> parameters) {
  step.attributes["form"] = form;
  step.attributes["weights"] = std::string("given");
  for (ExtraTensor& p : parameters) step.inputs.push_back(std::move(p));
  return step;
}

Step continued(Step step) {
  step.seed_slot.reset();
  return step;
}

bool near(double a, double b, double tolerance) { return std::abs(a - b) <= tolerance; }

void require_all_near(RowTrial& trial, std::size_t i, const std::vector<double>& y, double wanted,
                      double tolerance, std::string_view what) {
  std::uint64_t wrong = 0;
  std::size_t first = 0;
  for (std::size_t e = 0; e < y.size(); ++e)
    if (!near(y[e], wanted, tolerance) && wrong++ == 0) first = e;
  trial.require_all(y.size(), wrong, [&] {
    return fmt::format("{}: {} of {} elements are not {:.6g} ({}); element {} is {:.6g}", trial.place(i),
                       wrong, y.size(), wanted, what, first, y[first]);
  });
}

}  // namespace dropcheck::suites::embedding
