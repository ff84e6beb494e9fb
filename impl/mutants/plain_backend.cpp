#include "impl/mutants/plain_backend.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstring>

#include "impl/mutants/law.hpp"
#include "impl/mutants/mask.hpp"
#include "impl/mutants/tensors.hpp"

namespace dropcheck::mutants {
namespace {

bool is_second_gradient(const BackwardCall& call) {
  return call.attributes == Attributes{{"create_graph", true}} && call.inputs.size() == 1 &&
         call.inputs[0].name == "v" && call.outputs.size() == 1 && call.outputs[0].name == "d_dy";
}

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
  capabilities_.recompute = true;
  capabilities_.mask_output = true;
  capabilities_.promises = {"coupled_thresholds"};
  if (source == Source::entries) {
    capabilities_.offset_unit = "mask entry";
    for (const char* promise : {"batch_split", "independent_ranks", "replay"})
      capabilities_.promises.push_back(promise);
  } else {
    capabilities_.promises.push_back("equal_ranks");
  }
  if (source == Source::philox) {
    capabilities_.exact_stream = "dropcheck-philox";
    capabilities_.effective_rate = true;
    capabilities_.offset_unit = "calls";
  }
}

Expected<Observation> PlainBackend::forward(const Call& call) {
  if (!call.x || (!call.in_place && !call.y))
    return refused("a forward call needs x, and y unless it is in place");
  const TensorView& x = call.x.view;
  const TensorView& y = call.in_place ? x : call.y.view;
  if (call.offset != 0 && source_ != Source::philox)
    return Error{ErrorCode::unsupported, "RNG offsets are not supported"};

  if (call.seed && fault_ != Fault::seed_ignored) draws_ = {*call.seed, 0};
  if (call.seed && call.offset != 0 && fault_ == Fault::seed_cut_with_offset) draws_.seed &= 0xFFFFFFFF;
  draws_.next += call.offset;

  if (!(call.p >= 0.0 && call.p <= 1.0))
    return refused(fmt::format("dropout probability has to be between 0 and 1, but got {}", call.p));
  if (!is_float(x.dtype))
    return Error{ErrorCode::unsupported, fmt::format("dtype {} is not supported", to_string(x.dtype))};

  CallState state{call.op,      call.p,      x.dtype,     x.shape, call.threads,
                  Action::drop, draws_.seed, draws_.next, source_};
  if (call.p == 0.0 || call.mode == Mode::eval || x.count() == 0) state.action = Action::copy;
  else if (call.p == 1.0) state.action = Action::zero;
  prepare(call, state);
  if (state.action == Action::drop && drops_channels(call.op) && x.shape.size() < 2)
    return refused("Feature dropout requires at least 2 dimensions in the input");

  switch (state.action) {
    case Action::copy:
      if (fault_ == Fault::scale_in_eval && call.p > 0.0 && call.p < 1.0 && !is_alpha(call.op) &&
          x.count() > 0)
        apply_to_tensors(forward_law(state, fault_), uniform_mask(x, 1), x, y);
      else copy_elements(x, y);
      if (call.mask) write_mask(uniform_mask(x, 1), call.mask.view);
      break;
    case Action::zero:
      apply_to_tensors(Law{}, uniform_mask(x, 0), x, y);
      if (call.mask) write_mask(uniform_mask(x, 0), call.mask.view);
      break;
    case Action::drop: {
      if (source_ == Source::entries) draws_.next += static_cast<std::uint64_t>(entries_of(call.op, x.shape));
      else if (fault_ != Fault::same_mask_every_call) ++draws_.next;
      const Mask mask = drawn_mask(state);
      apply_to_tensors(forward_law(state, fault_), mask, x, y);
      if (fault_ == Fault::applied_twice)
        apply_to_tensors(forward_law(state, fault_), draw_mask(state, fault_, kSecondUse), y, y);
      if (call.mask) write_mask(mask, call.mask.view);
      break;
    }
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

Expected<std::vector<std::byte>> PlainBackend::save_state() {
  const std::array<std::uint64_t, 2> words = {draws_.seed, draws_.next};
  const auto bytes = std::as_bytes(std::span(words));
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

Status PlainBackend::load_state(std::span<const std::byte> state) {
  std::array<std::uint64_t, 2> words{};
  if (state.size() != sizeof words)
    return refused(fmt::format("a state has {} bytes, not {}", sizeof words, state.size()));
  std::memcpy(words.data(), state.data(), sizeof words);
  if (fault_ != Fault::state_by_value) draws_ = {words[0], words[1]};
  return Done{};
}

Mask PlainBackend::drawn_mask(const CallState& state) { return draw_mask(state, fault_, kForwardUse); }

Mask PlainBackend::backward_mask(const CallState& state, bool /*second*/) {
  return fault_ == Fault::backward_own_mask ? draw_mask(state, fault_, kBackwardUse) : drawn_mask(state);
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
  // With v also the gradient of the sum of dx v by dy, which is to v what dx is to dy.
  const bool again = is_second_gradient(call);
  if (!again && !(call.attributes.empty() && call.inputs.empty() && call.outputs.empty()))
    return Error{ErrorCode::unsupported,
                 "of the attributes of a backward call only create_graph with v and d_dy is supported"};
  const TensorView& v = again ? call.inputs[0].tensor.view : dy;
  const TensorView& d_dy = again ? call.outputs[0].tensor.view : dx;
  if (v.shape != state.shape || v.dtype != state.dtype || d_dy.shape != state.shape)
    return refused("v and d_dy must have the shape and dtype of the saved forward call");

  switch (state.action) {
    case Action::copy:
      copy_elements(dy, dx);
      if (again) copy_elements(v, d_dy);
      break;
    case Action::zero:
      apply_to_tensors(Law{}, uniform_mask(dy, 0), dy, dx);
      if (again) apply_to_tensors(Law{}, uniform_mask(v, 0), v, d_dy);
      break;
    case Action::drop: {
      const Law law = backward_law(state, fault_);
      apply_to_tensors(law, backward_mask(state, false), dy, dx);
      if (again) apply_to_tensors(law, backward_mask(state, true), v, d_dy);
      if (fault_ == Fault::applied_twice) apply_to_tensors(law, draw_mask(state, fault_, kSecondUse), dx, dx);
      break;
    }
  }
  Observation seen = observation_of(dx);
  if (again) seen.facts["d2x"] = "none";
  return seen;
}

}  // namespace dropcheck::mutants
