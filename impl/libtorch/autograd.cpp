#include "impl/libtorch/autograd.hpp"

#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <string>
#include <string_view>
#include <utility>

#include "impl/libtorch/generator.hpp"
#include "impl/libtorch/tensors.hpp"

namespace dropcheck::libtorch {
namespace {

using at::Tensor;

void demand_in_place(const plugin::Call& call, Scenario scenario) {
  if (scenario == Scenario::none) return;
  const bool in_place = scenario == Scenario::leaf || scenario == Scenario::after_exp;
  if (call.in_place() != in_place)
    throw plugin::InvalidArgument(in_place ? "this \"autograd\" is about a call in place"
                                           : "this \"autograd\" is about a call that is not in place");
}

Tensor leaf_copy(const Tensor& x) { return x.detach().clone().requires_grad_(); }

/// The leaf and the tensor that the interface is given, which for calls in place is the one written to.
std::pair<Tensor, Tensor> arrange(const plugin::Call& call, Scenario scenario, Tensor& x) {
  switch (scenario) {
    case Scenario::leaf: x.requires_grad_(); return {x, x};
    case Scenario::after_exp: {
      const Tensor leaf = leaf_copy(x);
      return {leaf, leaf.exp()};
    }
    case Scenario::modify_input:
    case Scenario::modify_output: {
      // A copy: the host's own input is not ours to overwrite.
      const Tensor leaf = leaf_copy(x);
      return {leaf, leaf};
    }
    case Scenario::none: break;
  }
  if (!call.in_place()) {
    const Tensor leaf = x.detach().requires_grad_();
    return {leaf, leaf};
  }
  // Torch refuses to write to a leaf that needs a gradient. Copying the leaf into the host's tensor makes
  // that tensor an inner node, still in the host's memory and with the host's strides.
  const Tensor leaf = leaf_copy(x);
  x.copy_(leaf);
  return {leaf, x};
}

const Tensor& further(const LayerOutput& output, std::string_view name) {
  for (const FurtherOutput& row : output.further)
    if (row.name == name && row.tensor.defined()) return row.tensor;
  throw plugin::Unsupported(std::string("output \"").append(name).append("\" of this form"));
}

}  // namespace

Recorded record(const Interface& interface, const plugin::Call& call, Scenario scenario, Tensor& x,
                plugin::Result& result) {
  demand_in_place(call, scenario);
  const at::AutoGradMode grad(true);
  auto [leaf, input] = arrange(call, scenario, x);
  const auto version = static_cast<std::int64_t>(input._version());
  const Produced produced = apply(interface, call, input, result);
  report(produced, input, version, call, result);
  const at::NoGradGuard no_grad;
  if (scenario == Scenario::after_exp) x.copy_(input);
  if (scenario == Scenario::modify_input) leaf.zero_();
  if (scenario == Scenario::modify_output) produced.y.zero_();
  return {leaf, produced.y};
}

Recorded record_layer(const Layer& layer, const plugin::Call& call, const Tensor& x, plugin::Result& result) {
  const bool wanted = call.wants(DROPCHECK_WANT_SAVED);
  const at::AutoGradMode grad(wanted);
  const Tensor input = wanted ? leaf_copy(x) : x;
  const auto version = static_cast<std::int64_t>(input._version());
  const LayerOutput output = counted(call, result, [&] { return layer(input); });
  report({output.y}, input, version, call, result);
  const at::NoGradGuard no_grad;
  for (std::uint32_t i = 0; i < call.output_count(); ++i)
    if (call.output_name(i) != "y")
      copy_to_output(call, call.output_name(i), further(output, call.output_name(i)));
  return {input, output.y};
}

void differentiate(const Recorded& recorded, const plugin::Call& call, bool create_graph,
                   plugin::Result& result) {
  if (call.has_input("v") && !create_graph)
    throw plugin::InvalidArgument("input \"v\" without \"create_graph\"");
  Tensor dy = wrap(call.input("dy"));
  if (create_graph) dy = leaf_copy(dy);
  // Torch throws when the output does not depend on the leaf, so the gradient is always defined.
  const Tensor dx =
      torch::autograd::grad({recorded.output}, {recorded.leaf}, {dy}, /*retain_graph=*/true, create_graph)
          .at(0);
  const at::NoGradGuard no_grad;
  describe(dx, dy, 0, result);
  copy_to_output(call, "dx", dx);
  if (!call.has_input("v")) return;
  const Tensor v = wrap(call.input("v"));
  const auto second = torch::autograd::grad({dx}, {dy, recorded.leaf}, {v}, /*retain_graph=*/true,
                                            /*create_graph=*/false, /*allow_unused=*/true);
  const Tensor d_dy = second.at(0).defined() ? second.at(0) : at::zeros_like(dy);
  if (call.has_output("d_dy")) copy_to_output(call, "d_dy", d_dy);
  result.fact("d2x", second.at(1).defined() ? "some" : "none");
}

std::uint64_t SavedCalls::keep(Recorded recorded) {
  calls_.emplace(next_, std::move(recorded));
  return next_++;
}

const Recorded& SavedCalls::at(std::uint64_t token) const {
  const auto found = calls_.find(token);
  if (found == calls_.end()) throw plugin::InvalidArgument("no saved forward call " + std::to_string(token));
  return found->second;
}

}  // namespace dropcheck::libtorch
