#include "impl/libtorch/interface.hpp"

#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>

#include "impl/libtorch/dtypes.hpp"
#include "impl/libtorch/generator.hpp"
#include "impl/libtorch/modules.hpp"
#include "impl/libtorch/operators.hpp"
#include "impl/libtorch/refusals.hpp"
#include "impl/libtorch/tensors.hpp"

namespace dropcheck::libtorch {

Interface make_interface(const plugin::Call& call, const Attributes& attributes) {
  switch (attributes.form) {
    case Form::op: return operator_interface(call);
    case Form::native_dropout: return native_dropout_interface(call, attributes);
    case Form::module: return module_interface(call, attributes);
    case Form::functional: return functional_interface(call, attributes);
    default: throw plugin::Unsupported("a layer is no interface to an operator");
  }
}

Produced apply(const Interface& interface, const plugin::Call& call, at::Tensor& x, plugin::Result& result) {
  try {
    return counted(call, result, [&] { return interface(x); });
  } catch (const c10::Error& error) {
    const auto shape = call.input("x").shape();
    if (!call.in_place() || x.sizes() == at::IntArrayRef(shape.data(), shape.size())) throw;
    rethrow_refusal(first_line(error.what_without_backtrace()) + "; the input now has shape " +
                    shape_text(x.sizes()));
  }
}

void report(const Produced& produced, const at::Tensor& input, std::int64_t version, const plugin::Call& call,
            plugin::Result& result) {
  const at::NoGradGuard no_grad;
  describe(produced.y, input, static_cast<std::int64_t>(input._version()) - version, result);
  if (!call.in_place() && call.wants(DROPCHECK_WANT_OUTPUT)) copy_to_output(call, "y", produced.y);
  if (!produced.mask.defined()) return;
  result.fact("mask_dtype", dtype_word(produced.mask.scalar_type()));
  result.fact("mask_shape", shape_text(produced.mask.sizes()));
  if (call.has_output("mask")) copy_to_output(call, "mask", produced.mask);
}

}  // namespace dropcheck::libtorch
