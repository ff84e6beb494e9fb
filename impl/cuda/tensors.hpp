#pragma once
// What both plugins ask of a call and its tensors.

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "harness/abi/dropcheck_plugin.hpp"
#include "impl/cuda/task.hpp"

namespace dropcheck::cuda {

/// Throws plugin::Unsupported for what is none of the four, and for more dimensions than the kernels walk.
DType dtype_of(const plugin::Tensor& tensor);

std::vector<std::int64_t> copied(std::span<const std::int64_t> list);

// These throw plugin::Unsupported for anything else that a call has.
void refuse_attributes(const plugin::Call& call);
void refuse_inputs_but(const plugin::Call& call, std::string_view name);
void refuse_outputs_but(const plugin::Call& call, std::initializer_list<std::string_view> names);

/// Throws plugin::InvalidArgument unless `output` has the shape and dtype of `x`.
void check_like(const plugin::Tensor& output, const plugin::Tensor& x);
/// The same for the shape alone.
void check_shape(const plugin::Tensor& output, const plugin::Tensor& x);

}  // namespace dropcheck::cuda
