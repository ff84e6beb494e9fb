#include "impl/libtorch/tensors.hpp"

#include <torch/types.h>

#include "impl/libtorch/dtypes.hpp"

namespace dropcheck::libtorch {

at::Tensor wrap(const plugin::Tensor& lent) {
  const auto shape = lent.shape();
  const auto strides = lent.strides();
  return torch::from_blob(lent.data(), {shape.data(), shape.size()}, {strides.data(), strides.size()},
                          at::TensorOptions().dtype(torch_dtype(lent.dtype())));
}

std::string shape_text(at::IntArrayRef sizes) {
  std::string text(1, '[');
  for (const std::int64_t size : sizes) text.append(text.size() > 1 ? ", " : "").append(std::to_string(size));
  return text.append("]");
}

void describe(const at::Tensor& produced, const at::Tensor& input, std::int64_t version_delta,
              plugin::Result& result) {
  result.shape(produced.sizes());
  result.strides(produced.strides());
  result.dtype(dlpack_dtype(produced.scalar_type()));
  // An empty tensor may have no memory to compare, so identity comes first.
  const bool shares_memory = produced.numel() > 0 && produced.data_ptr() == input.data_ptr();
  result.aliases_input(produced.is_same(input) || shares_memory);
  result.version_delta(version_delta);
}

void copy_to_output(const plugin::Call& call, std::string_view name, const at::Tensor& from) {
  at::Tensor to = wrap(call.output(name));
  if (to.sizes() != from.sizes()) {
    std::string text = "Torch's result has shape " + shape_text(from.sizes());
    text.append("; the call's tensor \"").append(name).append("\" has ").append(shape_text(to.sizes()));
    throw plugin::InvalidArgument(text);
  }
  to.copy_(from);
}

}  // namespace dropcheck::libtorch
