#include "impl/mutants/plain_backend.hpp"

#include <fmt/format.h>

#include <cmath>

#include "impl/mutants/law.hpp"
#include "impl/mutants/mask.hpp"
#include "impl/mutants/tensors.hpp"

namespace dropcheck::mutants {
namespace {

Error refused(std::string message) { return Error{ErrorCode::invalid_argument, std::move(message)}; }

}  // namespace

PlainBackend::PlainBackend(const std::string& id, Fault fault, Source source)
    : fault_(fault), source_(source) {
  capabilities_.name = "mutant:" + id;
  capabilities_.version = DROPCHECK_VERSION;
  capabilities_.ops.assign(kAllOps.begin(), kAllOps.end());
  capabilities_.dtypes.assign(kFloatDTypes.begin(), kFloatDTypes.end());
  capabilities_.layouts.assign(kAllLayouts.begin(), kAllLayouts.end());
  capabilities_.seed_semantics = SeedSemantics::stateful;
  capabilities_.seed_bits = 64;
  capabilities_.backward = true;
  capabilities_.in_place = true;
  capabilities_.threads = true;
  if (source == Source::philox) {
    capabilities_.exact_stream = "dropcheck-philox";
    capabilities_.effective_rate = true;
  }
}

Expected<Observation> PlainBackend::forward(const Call& call) {
  if (!call.x || (!call.in_place && !call.y))
    return refused("a forward call needs x, and y unless it is in place");
  const TensorView& x = call.x.view;
  const TensorView& y = call.in_place ? x : call.y.view;
  if (call.offset != 0) return Error{ErrorCode::unsupported, "RNG offsets are not supported"};
  if (call.mask) return Error{ErrorCode::unsupported, "mask output is not supported"};

  if (call.seed && fault_ != Fault::seed_ignored) {
    seed_ = *call.seed;
    next_call_ = 0;
  }

  if (!(call.p >= 0.0 && call.p <= 1.0))
    return refused(fmt::format("dropout probability has to be between 0 and 1, but got {}", call.p));
  if (!is_float(x.dtype))
    return Error{ErrorCode::unsupported, fmt::format("dtype {} is not supported", to_string(x.dtype))};

  CallState state{call.op, call.p, x.dtype, x.shape, call.threads, Action::drop, seed_, next_call_, source_};
  if (call.p == 0.0 || call.mode == Mode::eval || x.count() == 0) state.action = Action::copy;
  else if (call.p == 1.0) state.action = Action::zero;
  if (state.action == Action::drop && drops_channels(call.op) && x.shape.size() < 2)
    return refused("Feature dropout requires at least 2 dimensions in the input");

  switch (state.action) {
    case Action::copy:
      if (fault_ == Fault::scale_in_eval && call.p > 0.0 && call.p < 1.0 && !is_alpha(call.op) &&
          x.count() > 0)
        apply_to_tensors(forward_law(state, fault_), uniform_mask(x, 1), x, y);
      else copy_elements(x, y);
      break;
    case Action::zero: apply_to_tensors(Law{}, uniform_mask(x, 0), x, y); break;
    case Action::drop:
      if (fault_ != Fault::same_mask_every_call) ++next_call_;
      apply_to_tensors(forward_law(state, fault_), draw_mask(state, fault_, kForwardUse), x, y);
      if (fault_ == Fault::applied_twice)
        apply_to_tensors(forward_law(state, fault_), draw_mask(state, fault_, kSecondUse), y, y);
      break;
  }

  Observation seen = observation_of(y);
  seen.aliases_input = call.in_place;
  if (source_ == Source::philox && call.mode == Mode::train)
    seen.effective_p = std::ldexp(std::ceil(std::ldexp(call.p, 32)), -32);
  if (call.save_for_backward) {
    seen.saved.id = ++last_token_;
    open_calls_.emplace(seen.saved.id, std::move(state));
  }
  return seen;
}

Expected<Observation> PlainBackend::backward(const BackwardCall& call) {
  const auto found = open_calls_.find(call.saved.id);
  if (found == open_calls_.end())
    return refused(fmt::format("no forward call is saved under {}", call.saved.id));
  const CallState& state = found->second;
  if (!call.dy || !call.dx) return refused("a backward call needs dy and dx");
  const TensorView& dy = call.dy.view;
  const TensorView& dx = call.dx.view;
  if (dy.shape != state.shape || dy.dtype != state.dtype)
    return refused("dy must have the shape and dtype of the saved forward call");

  switch (state.action) {
    case Action::copy: copy_elements(dy, dx); break;
    case Action::zero: apply_to_tensors(Law{}, uniform_mask(dy, 0), dy, dx); break;
    case Action::drop: {
      const Law law = backward_law(state, fault_);
      apply_to_tensors(
          law, draw_mask(state, fault_, fault_ == Fault::backward_own_mask ? kBackwardUse : kForwardUse), dy,
          dx);
      if (fault_ == Fault::applied_twice) apply_to_tensors(law, draw_mask(state, fault_, kSecondUse), dx, dx);
      break;
    }
  }
  return observation_of(dx);
}

}  // namespace dropcheck::mutants
