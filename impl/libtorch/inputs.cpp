#include "impl/libtorch/inputs.hpp"

#include <algorithm>

#include "impl/libtorch/tensors.hpp"

namespace dropcheck::libtorch {
namespace {

constexpr std::int64_t kAnySize = -1;

std::string input_text(std::string_view name) { return std::string("input \"").append(name).append("\""); }

/// "[*, 3]".
std::string wanted_text(at::IntArrayRef shape) {
  std::string text(1, '[');
  for (const std::int64_t size : shape)
    text.append(text.size() > 1 ? ", " : "").append(size == kAnySize ? "*" : std::to_string(size));
  return text.append("]");
}

bool fits(at::IntArrayRef sizes, at::IntArrayRef shape) {
  return std::equal(
      sizes.begin(), sizes.end(), shape.begin(), shape.end(),
      [](std::int64_t size, std::int64_t wanted) { return wanted == kAnySize || size == wanted; });
}

}  // namespace

at::Tensor further_input(const plugin::Call& call, std::string_view name, at::IntArrayRef shape,
                         const at::Tensor& x) {
  if (!call.has_input(name))
    throw plugin::InvalidArgument(
        input_text(name).append(" is missing; it has shape ").append(wanted_text(shape)));
  at::Tensor tensor = wrap(call.input(name));
  if (!fits(tensor.sizes(), shape))
    throw plugin::InvalidArgument(input_text(name)
                                      .append(" has shape ")
                                      .append(shape_text(tensor.sizes()))
                                      .append("; it must have ")
                                      .append(wanted_text(shape)));
  if (tensor.scalar_type() != x.scalar_type())
    throw plugin::InvalidArgument(input_text(name).append(" has another dtype than x"));
  return tensor;
}

at::Tensor lasting_input(const plugin::Call& call, std::string_view name, at::IntArrayRef shape,
                         const at::Tensor& x) {
  at::Tensor tensor = further_input(call, name, shape, x);
  return call.wants(DROPCHECK_WANT_SAVED) ? tensor.clone() : tensor;
}

void refuse_inputs_but(const plugin::Call& call, std::span<const std::string> names) {
  for (std::uint32_t i = 0; i < call.input_count(); ++i) {
    const std::string_view name = call.input_name(i);
    if (name != "x" && std::find(names.begin(), names.end(), name) == names.end())
      throw plugin::Unsupported(input_text(name).append(" of this form"));
  }
}

}  // namespace dropcheck::libtorch
