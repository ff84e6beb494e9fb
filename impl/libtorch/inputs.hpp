#pragma once
// Inputs of a call beside x.

#include <ATen/core/Tensor.h>

#include <span>
#include <string>
#include <string_view>

#include "harness/abi/dropcheck_plugin.hpp"

namespace dropcheck::libtorch {

/// The call's input of that name, in the host's memory. Throws plugin::InvalidArgument, which names it, where
/// it is missing, or has another dtype than x or another shape; -1 in a shape stands for any size.
at::Tensor further_input(const plugin::Call& call, std::string_view name, at::IntArrayRef shape,
                         const at::Tensor& x);

/// The same in memory of its own where the call is kept for a backward one, which the host's does not live to
/// see.
at::Tensor lasting_input(const plugin::Call& call, std::string_view name, at::IntArrayRef shape,
                         const at::Tensor& x);

/// Throws plugin::Unsupported for an input of the call that is neither x nor one of these: an input that is
/// ignored in silence would put a wrong claim into the report.
void refuse_inputs_but(const plugin::Call& call, std::span<const std::string> names);

}  // namespace dropcheck::libtorch
