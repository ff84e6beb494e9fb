#pragma once
// Calls whose graph is recorded, and the gradients of those that are kept.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <unordered_map>

#include "harness/abi/dropcheck_plugin.hpp"
#include "impl/libtorch/attributes.hpp"
#include "impl/libtorch/interface.hpp"
#include "impl/libtorch/layers.hpp"

namespace dropcheck::libtorch {

/// A recorded call. The tensors may outlive the host's memory: backward reads what the graph kept, which for
/// dropout is the noise alone; layers get a copy of their input.
struct Recorded {
  at::Tensor leaf;
  at::Tensor output;
};

/// Runs the interface on the call's x in the attribute's scenario, and reports. Throws
/// plugin::InvalidArgument for scenarios in place on calls that are not, and the reverse; plus what Torch
/// throws.
Recorded record(const Interface& interface, const plugin::Call& call, Scenario scenario, at::Tensor& x,
                plugin::Result& result);

/// Runs the layer on x and reports; records only where the call wants that. Throws what Torch throws.
Recorded record_layer(const Layer& layer, const plugin::Call& call, const at::Tensor& x,
                      plugin::Result& result);

/// The gradient of a recorded call for the call's dy, into "dx"; with create_graph and an input "v" also that
/// of the sum of dx v, into "d_dy". Throws plugin::InvalidArgument for "v" without create_graph, and what
/// Torch throws.
void differentiate(const Recorded& recorded, const plugin::Call& call, bool create_graph,
                   plugin::Result& result);

/// Recorded calls under tokens, which are never 0.
class SavedCalls {
 public:
  std::uint64_t keep(Recorded recorded);
  /// Throws plugin::InvalidArgument for an unknown token.
  const Recorded& at(std::uint64_t token) const;
  /// Ignores unknown tokens.
  void forget(std::uint64_t token) { calls_.erase(token); }

 private:
  std::unordered_map<std::uint64_t, Recorded> calls_;
  std::uint64_t next_ = 1;
};

}  // namespace dropcheck::libtorch
