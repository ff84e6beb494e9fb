#pragma once
// The dropout family in Torch's C++ front end.

#include "impl/libtorch/interface.hpp"

namespace dropcheck::libtorch {

/// The module of the operator, built with the call's p and in-place flag, in the call's mode; where the
/// attributes say so after other calls in other modes, among other modules, or under no_grad. Throws
/// plugin::Unsupported for an operator without one (the C++ front end has no dropout1d), and what the
/// module's constructor throws.
Interface module_interface(const plugin::Call& call, const Attributes& attributes);

/// The same for torch::nn::functional.
Interface functional_interface(const plugin::Call& call, const Attributes& attributes);

}  // namespace dropcheck::libtorch
