#include "impl/libtorch/weights.hpp"

#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>

#include <string>
#include <string_view>
#include <vector>

#include "impl/libtorch/inputs.hpp"

namespace dropcheck::libtorch {
namespace {

/// Weight number k is (k mod 7 - 3) / 16: exact in every floating dtype.
at::Tensor small_weights(const at::Tensor& parameter) {
  const at::Tensor number = at::arange(parameter.numel(), at::kLong);
  return number.remainder(7).sub(3).to(at::kDouble).div(16).view(parameter.sizes());
}

bool is_bias(std::string_view name) {
  // "bias_ih_l0", "in_proj_bias", "norm1.bias".
  return name.substr(name.rfind('.') + 1).find("bias") != std::string_view::npos;
}

}  // namespace

void prepare(torch::nn::Module& module, const plugin::Call& call, const Attributes& attributes,
             const at::Tensor& x, std::initializer_list<std::string_view> further) {
  const at::NoGradGuard no_grad;
  for (at::Tensor& parameter : module.parameters()) parameter.requires_grad_(false);
  module.to(x.scalar_type());
  std::vector<std::string> inputs(further.begin(), further.end());
  for (auto& item : module.named_parameters()) {
    at::Tensor& parameter = item.value();
    if (attributes.weights == Weights::given) {
      parameter.copy_(further_input(call, item.key(), parameter.sizes(), x));
      inputs.push_back(item.key());
    } else if (is_bias(item.key())) parameter.zero_();
    // Of what is no bias only the gains have one dimension.
    else if (parameter.dim() == 1 || attributes.weights == Weights::ones) parameter.fill_(1);
    else parameter.copy_(small_weights(parameter));
  }
  refuse_inputs_but(call, inputs);
  module.train(call.train());
}

}  // namespace dropcheck::libtorch
