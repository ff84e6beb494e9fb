#pragma once
// Between the host's tensors and Torch's.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "harness/abi/dropcheck_plugin.hpp"

namespace dropcheck::libtorch {

/// The host's own memory as a Torch tensor, no copy. Throws plugin::Unsupported for a dtype that Torch does
/// not have.
at::Tensor wrap(const plugin::Tensor& lent);

/// "[2, 3]".
std::string shape_text(at::IntArrayRef sizes);

/// Puts shape, strides, dtype and aliasing of Torch's own result into that of the call, with the change of
/// the input's version counter.
void describe(const at::Tensor& produced, const at::Tensor& input, std::int64_t version_delta,
              plugin::Result& result);

/// Fills the call's output of that name, converted to its dtype. Throws plugin::InvalidArgument when the call
/// has none, or one of another shape: a copy that broadcasts would hide what Torch returned.
void copy_to_output(const plugin::Call& call, std::string_view name, const at::Tensor& from);

}  // namespace dropcheck::libtorch
