#include "impl/mutants/network/parameters.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dropcheck::mutants {
namespace {

bool is_bias(std::string_view name) {
  // "bias_ih_l0", "in_proj_bias", "norm1.bias".
  return name.substr(name.rfind('.') + 1).find("bias") != std::string_view::npos;
}

/// Weight number k is 1, or (k mod 7 - 3) / 16. Biases are 0, and gains, which have one dimension, 1.
Array constant(std::string_view name, const Shape& shape, Weights weights) {
  Array array(shape);
  for (std::size_t k = 0; k < array.values.size(); ++k) {
    if (is_bias(name)) array.values[k] = 0;
    else if (shape.size() == 1 || weights == Weights::ones) array.values[k] = 1;
    else array.values[k] = (static_cast<double>(k % 7) - 3.0) / 16.0;
  }
  return array;
}

Status check_inputs(const Call& call, Weights weights, const ParameterShapes& shapes,
                    const std::vector<std::string>& others) {
  for (const NamedTensor& input : call.inputs) {
    const auto is_it = [&](const auto& parameter) { return parameter.first == input.name; };
    if (weights == Weights::given && std::any_of(shapes.begin(), shapes.end(), is_it)) continue;
    if (std::find(others.begin(), others.end(), input.name) != others.end()) continue;
    return Error{ErrorCode::invalid_argument, fmt::format("this layer takes no input {}", input.name)};
  }
  return Done{};
}

}  // namespace

Expected<std::optional<Array>> optional_input(const Call& call, std::string_view name, const Shape& shape) {
  for (const NamedTensor& input : call.inputs) {
    if (input.name != name) continue;
    const TensorView& view = input.tensor.view;
    if (view.shape != shape || view.dtype != call.x.view.dtype)
      return Error{ErrorCode::invalid_argument,
                   fmt::format("input {} is {} of {}; it must be {} of {}", name, shape_text(view.shape),
                               to_string(view.dtype), shape_text(shape), to_string(call.x.view.dtype))};
    return std::optional<Array>(read(view));
  }
  return std::optional<Array>();
}

Expected<Parameters> load_parameters(const Call& call, Weights weights, const ParameterShapes& shapes,
                                     const std::vector<std::string>& others) {
  if (const Status status = check_inputs(call, weights, shapes, others); !status) return status.error();
  Parameters parameters;
  std::int64_t left = kMaxElements;
  for (const auto& [name, shape] : shapes) {
    if (const Status status = check_size(shape); !status) return status.error();
    left -= element_count(shape);
    if (left < 0) return Error{ErrorCode::unsupported, "a layer with so many weights"};
  }
  for (const auto& [name, shape] : shapes) {
    if (weights != Weights::given) {
      parameters.emplace(name, constant(name, shape, weights));
      continue;
    }
    auto input = optional_input(call, name, shape);
    if (!input) return input.error();
    if (!*input)
      return Error{ErrorCode::invalid_argument,
                   fmt::format("input {} is missing: the weights are to be given", name)};
    parameters.emplace(name, **std::move(input));
  }
  return parameters;
}

}  // namespace dropcheck::mutants
