#pragma once
// Weights of a layer: constants, or named tensors of the call.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/core/backend.hpp"
#include "impl/mutants/network/array.hpp"
#include "impl/mutants/network/options.hpp"

namespace dropcheck::mutants {

using Parameters = std::map<std::string, Array, std::less<>>;
using ParameterShapes = std::vector<std::pair<std::string, Shape>>;

/// `ones` and `small` as docs/attributes.md says; `given`: from the call's inputs. Refuses what is missing or
/// has the wrong shape or dtype, and inputs that are neither parameters nor among `others`.
Expected<Parameters> load_parameters(const Call& call, Weights weights, const ParameterShapes& shapes,
                                     const std::vector<std::string>& others = {});

/// An input of the call, exactly; absent where the call has none of that name. Refuses a wrong shape or
/// dtype.
Expected<std::optional<Array>> optional_input(const Call& call, std::string_view name, const Shape& shape);

}  // namespace dropcheck::mutants
