#include "impl/mutants/network_backend.hpp"

#include <fmt/format.h>

#include <utility>

#include "impl/mutants/network/layers.hpp"
#include "impl/mutants/network/module.hpp"
#include "impl/mutants/tensors.hpp"

namespace dropcheck::mutants {
namespace {

constexpr double kDefaultP = 0.5;  // of a module that is made without arguments, as in PyTorch

Error refused(std::string message) { return Error{ErrorCode::invalid_argument, std::move(message)}; }
Error unsupported(std::string message) { return Error{ErrorCode::unsupported, std::move(message)}; }

/// What no layer takes.
Status check_call(const Call& call) {
  if (!call.x || !call.y || call.in_place) return unsupported("a layer in place, or without x or y");
  if (call.op != Op::dropout) return unsupported(fmt::format("a layer that contains {}", to_string(call.op)));
  if (call.offset != 0 || call.mask || call.packed_mask || call.save_for_backward)
    return unsupported("a layer with an RNG offset, a mask or a gradient");
  if (!(call.p >= 0.0 && call.p <= 1.0))
    return refused(fmt::format("dropout probability has to be between 0 and 1, but got {}", call.p));
  const TensorView& x = call.x.view;
  if (!is_float(x.dtype)) return unsupported(fmt::format("a layer of dtype {}", to_string(x.dtype)));
  if (x.count() == 0) return refused("a layer needs an x with elements");
  if (call.y.view.dtype != x.dtype) return refused("y must have the dtype of x");
  return Done{};
}

Status check_output(std::string_view name, const Array& result, const TensorView& asked, DType dtype) {
  if (asked.shape == result.shape && asked.dtype == dtype) return Done{};
  return refused(fmt::format("output {} is {} of {}; it must be {} of {}", name, shape_text(asked.shape),
                             to_string(asked.dtype), shape_text(result.shape), to_string(dtype)));
}

/// All that was asked for is checked before the first is written.
Status write_outputs(const Call& call, const LayerResult& result) {
  const DType dtype = call.x.view.dtype;
  if (const Status status = check_output("y", result.y, call.y.view, dtype); !status) return status;
  for (const NamedTensor& asked : call.outputs) {
    const auto found = result.others.find(asked.name);
    if (found == result.others.end())
      return unsupported(fmt::format("this layer has no output {}", asked.name));
    if (const Status status = check_output(asked.name, found->second, asked.tensor.view, dtype); !status)
      return status;
  }
  write(result.y, call.y.view);
  for (const NamedTensor& asked : call.outputs)
    write(result.others.find(asked.name)->second, asked.tensor.view);
  return Done{};
}

}  // namespace

NetworkBackend::NetworkBackend(const std::string& id, Fault fault)
    : plain_(id, Fault::none), capabilities_(plain_.capabilities()), fault_(fault) {
  capabilities_.forms = form_names();
}

Expected<Observation> NetworkBackend::forward(const Call& call) {
  if (form_of(call.attributes).empty()) {
    if (!call.attributes.empty() || !call.inputs.empty() || !call.outputs.empty())
      return unsupported("an operator with attributes or further tensors");
    return plain_.forward(call);
  }
  const auto options = parse_options(call.attributes);
  if (!options) return options.error();
  if (options->form == Form::module) return run_module(call, *options);
  return run_layer_call(call, *options);
}

Expected<Observation> NetworkBackend::run_layer_call(const Call& call, const Options& options) {
  if (const Status status = check_call(call); !status) return status.error();
  DrawCounter& draws = plain_.draws();
  if (call.seed) draws = {*call.seed, 0};
  const DrawCounter before = draws;
  const Array x = read(call.x.view);
  Sites sites(call.p, fault_, draws, kept_masks_);
  const auto result = run_layer({call, options, x, sites});
  const Status written = result ? write_outputs(call, *result) : Status(result.error());
  if (!written) {
    draws = before;  // a refused call draws nothing
    return written.error();
  }
  Observation seen = observation_of(call.y.view);
  seen.aliases_input = false;
  seen.warnings = result->warnings;
  return seen;
}

Status NetworkBackend::run_unseen(const Call& call) {
  const TensorView& x = call.x.view;
  auto memory = heap_memory(static_cast<std::size_t>(x.count()) * x.element_size());
  if (!memory) return memory.error();
  Call unseen = call;
  unseen.y = {memory->get(), {(*memory)->data(), x.dtype, x.shape, row_major_strides(x.shape)}};
  unseen.in_place = false;
  unseen.save_for_backward = false;
  const auto seen = plain_.forward(unseen);
  if (!seen) return seen.error();
  return Done{};
}

Expected<Observation> NetworkBackend::run_module(const Call& call, const Options& options) {
  if (!call.inputs.empty() || !call.outputs.empty()) return unsupported("a module with further tensors");
  const double p = options.defaults ? kDefaultP : call.p;
  Module module(options.nested, p, fault_);

  Call now = call;
  now.attributes.clear();
  if (fault_ == Fault::module_ignores_seed) now.seed.reset();
  /// What the dropout does when it is called next.
  const auto prepare = [&](Mode mode) {
    module.set_mode(mode);
    Module& dropout = module.innermost();
    now.p = dropout.p();
    now.mode = dropout.mode();
    dropout.after_call();
    // One that is made while its parent is called is in training mode, whatever the parent's.
    if (options.inside) {
      now.p = p;
      now.mode = Mode::train;
    }
  };
  for (const Mode mode : options.history) {
    prepare(mode);
    if (const Status status = run_unseen(now); !status) return status.error();
    now.seed.reset();
  }
  prepare(call.mode);
  if (options.no_grad && fault_ == Fault::no_grad_disables) now.mode = Mode::eval;
  return plain_.forward(now);
}

}  // namespace dropcheck::mutants
