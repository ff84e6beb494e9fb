#pragma once
// One interface to an operator, ready for a call.

#include <ATen/core/Tensor.h>

#include <functional>

#include "harness/abi/dropcheck_plugin.hpp"
#include "impl/libtorch/attributes.hpp"

namespace dropcheck::libtorch {

struct Produced {
  at::Tensor y;
  at::Tensor mask{};  // undefined for interfaces that return none
};

/// Runs the interface on x, which a call in place writes to. Throws what Torch throws.
using Interface = std::function<Produced(at::Tensor& x)>;

/// The interface that the call's form names; borrows the call. Throws plugin::Unsupported for an operator
/// that has no such interface, and what Torch's constructors throw. Draws nothing.
Interface make_interface(const plugin::Call& call, const Attributes& attributes);

/// Runs the interface, and counts the generator words where the call wants that. A refusal that leaves x with
/// another shape says so.
Produced apply(const Interface& interface, const plugin::Call& call, at::Tensor& x, plugin::Result& result);

/// Tells what was produced from `input`, whose version counter was `version` before, and fills the call's
/// outputs.
void report(const Produced& produced, const at::Tensor& input, std::int64_t version, const plugin::Call& call,
            plugin::Result& result);

}  // namespace dropcheck::libtorch
