#include "impl/cuda/tensors.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dropcheck::cuda {

using plugin::InvalidArgument;
using plugin::Unsupported;

DType dtype_of(const plugin::Tensor& tensor) {
  if (tensor.shape().size() > static_cast<std::size_t>(kMaxRank)) throw Unsupported("more than 8 dimensions");
  const DLDataType dtype = tensor.dtype();
  if (dtype.lanes == 1 && dtype.code == kDLFloat && dtype.bits == 64) return DType::f64;
  if (dtype.lanes == 1 && dtype.code == kDLFloat && dtype.bits == 32) return DType::f32;
  if (dtype.lanes == 1 && dtype.code == kDLFloat && dtype.bits == 16) return DType::f16;
  if (dtype.lanes == 1 && dtype.code == kDLBfloat && dtype.bits == 16) return DType::bf16;
  throw Unsupported(fmt::format("a dtype of code {} and {} bits is not supported", dtype.code, dtype.bits));
}

std::vector<std::int64_t> copied(std::span<const std::int64_t> list) { return {list.begin(), list.end()}; }

void refuse_attributes(const plugin::Call& call) {
  if (call.attributes() != "{}")
    throw Unsupported(fmt::format("no attribute is understood: {}", call.attributes()));
}

void refuse_inputs_but(const plugin::Call& call, std::string_view name) {
  for (std::uint32_t i = 0; i < call.input_count(); ++i)
    if (call.input_name(i) != name) throw Unsupported(fmt::format("no such input: {}", call.input_name(i)));
}

void refuse_outputs_but(const plugin::Call& call, std::initializer_list<std::string_view> names) {
  for (std::uint32_t i = 0; i < call.output_count(); ++i)
    if (std::find(names.begin(), names.end(), call.output_name(i)) == names.end())
      throw Unsupported(fmt::format("no such output: {}", call.output_name(i)));
}

void check_shape(const plugin::Tensor& output, const plugin::Tensor& x) {
  if (!std::ranges::equal(output.shape(), x.shape()))
    throw InvalidArgument("an output must have the shape of the input");
}

void check_like(const plugin::Tensor& output, const plugin::Tensor& x) {
  check_shape(output, x);
  if (dtype_of(output) != dtype_of(x)) throw InvalidArgument("an output must have the dtype of the input");
}

}  // namespace dropcheck::cuda
