#include "reference/reference_backend.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "harness/core/element.hpp"
#include "reference/definition.hpp"
#include "reference/dense_tensors.hpp"
#include "reference/layers/attention_layer.hpp"
#include "reference/layers/cnn.hpp"
#include "reference/layers/mlp.hpp"
#include "reference/layers/recurrent_layer.hpp"
#include "reference/layers/transformer_layer.hpp"
#include "reference/simulated_cuda_backend.hpp"
#include "reference/stream.hpp"

namespace dropcheck::reference {
namespace {

Error refused(std::string message) { return Error{ErrorCode::invalid_argument, std::move(message)}; }
Error unsupported(std::string message) { return Error{ErrorCode::unsupported, std::move(message)}; }

/// A form of a call and what calculates it.
struct Layer {
  const char* form;
  Expected<Observation> (*run)(const Call& call, LayerDropout& dropout);
  bool has_mode = true;  // else its dropout is always that of training
};
constexpr Layer kLayers[] = {{"rnn", run_recurrent_layer},
                             {"lstm", run_recurrent_layer},
                             {"gru", run_recurrent_layer},
                             {"scaled_dot_product_attention", run_product_attention, false},
                             {"multihead_attention", run_multihead_attention},
                             {"encoder_layer", run_transformer_layer},
                             {"decoder_layer", run_transformer_layer},
                             {"mlp", run_mlp},
                             {"cnn", run_cnn}};

double effective_p(double p) { return std::ldexp(static_cast<double>(drop_threshold(p)), -32); }

/// out = kept ? on_kept(in) : on_dropped(in), element by element. Works in place.
template <typename Kept, typename Dropped>
void apply_mask(const TensorView& in, const TensorView& out, std::span<const std::uint8_t> kept,
                std::int64_t per_entry, Kept&& on_kept, Dropped&& on_dropped) {
  const DenseInput source(in);
  DenseOutput target(out);
  const std::size_t size = in.element_size();
  const std::byte* from = source.data();
  std::byte* to = target.data();
  for (const std::uint8_t keep : kept) {
    for (std::int64_t i = 0; i < per_entry; ++i, from += size, to += size) {
      const double value = load_element(from, in.dtype);
      store_element(keep != 0 ? on_kept(value) : on_dropped(value), to, in.dtype);
    }
  }
  target.finish();
}

void write_mask(const TensorView& out, std::span<const std::uint8_t> kept, std::int64_t per_entry) {
  DenseOutput target(out);
  std::byte* to = target.data();
  for (const std::uint8_t keep : kept) to = std::fill_n(to, per_entry, std::byte{keep});
  target.finish();
}

std::vector<std::uint8_t> mask_of(Op op, double p, std::span<const std::int64_t> shape, std::uint64_t seed,
                                  std::uint64_t number) {
  const std::int64_t entries = element_count(shape) / elements_per_entry(op, shape);
  std::vector<std::uint8_t> kept(static_cast<std::size_t>(entries));
  draw_mask(seed, number, p, kept);
  return kept;
}

}  // namespace

ReferenceBackend::ReferenceBackend() {
  capabilities_.name = "reference";
  capabilities_.version = DROPCHECK_VERSION;
  capabilities_.exact_stream = kStreamName;
  capabilities_.ops.assign(kAllOps.begin(), kAllOps.end());
  capabilities_.dtypes.assign(kFloatDTypes.begin(), kFloatDTypes.end());
  capabilities_.layouts.assign(kAllLayouts.begin(), kAllLayouts.end());
  capabilities_.seed_semantics = SeedSemantics::stateful;
  capabilities_.seed_bits = 64;
  capabilities_.offset_unit = "calls";
  capabilities_.backward = true;
  capabilities_.in_place = true;
  capabilities_.threads = true;  // accepted; the result cannot depend on it
  capabilities_.mask_output = true;
  capabilities_.effective_rate = true;
  capabilities_.recompute = true;
  for (const Layer& layer : kLayers) capabilities_.forms.emplace_back(layer.form);
  // A mask is that of seed and call number alone: one word an entry, whatever p and the rank are.
  capabilities_.promises = {"coupled_thresholds", "equal_ranks"};
}

Status ReferenceBackend::begin(const Call& call) {
  if (call.seed) {
    seed_ = *call.seed;
    next_call_ = call.offset;
  } else {
    next_call_ += call.offset;
  }
  // The order of checks is PyTorch's: the range of p first, even in eval; the rank only when a mask is about
  // to be drawn.
  if (!(call.p >= 0.0 && call.p <= 1.0))
    return refused(fmt::format("dropout probability has to be between 0 and 1, but got {}", call.p));
  const DType dtype = call.x.view.dtype;
  if (!is_float(dtype))
    return Error{ErrorCode::unsupported, fmt::format("the reference has no dtype {}", to_string(dtype))};
  return Done{};
}

Expected<Observation> ReferenceBackend::forward_layer(const Call& call) {
  const std::string form = form_of(call.attributes);
  const auto* layer =
      std::find_if(std::begin(kLayers), std::end(kLayers), [&](const Layer& l) { return form == l.form; });
  if (layer == std::end(kLayers))
    return unsupported(fmt::format("the reference has the operators themselves and the layers {}, not {}",
                                   fmt::join(capabilities_.forms, ", "),
                                   form.empty() ? "other attributes" : fmt::format("the form '{}'", form)));
  if (call.op != Op::dropout && form != "cnn")
    return unsupported(fmt::format("the form '{}' contains dropout and no other operator", form));
  if (call.in_place || call.mask || call.save_for_backward)
    return unsupported("the layers of the reference are neither in place nor have a gradient or one mask");
  if (const Status status = begin(call); !status) return status.error();
  const Mode mode = layer->has_mode ? call.mode : Mode::train;
  LayerDropout dropout(call.p, mode, [&](std::int64_t entries) {
    std::vector<std::uint8_t> kept(static_cast<std::size_t>(entries));
    draw_mask(seed_, next_call_++, call.p, kept);
    return kept;
  });
  auto seen = layer->run(call, dropout);
  if (seen && mode == Mode::train) seen->effective_p = effective_p(call.p);
  return seen;
}

Expected<Observation> ReferenceBackend::forward(const Call& call) {
  if (!call.x || (!call.in_place && !call.y))
    return refused("a forward call needs x, and y unless it is in place");
  if (!call.attributes.empty()) return forward_layer(call);
  const TensorView& x = call.x.view;
  const TensorView& y = call.in_place ? x : call.y.view;
  if (const Status status = begin(call); !status) return status.error();
  Action action = Action::drop;
  if (call.p == 0.0 || call.mode == Mode::eval || x.count() == 0) action = Action::copy;
  else if (call.p == 1.0) action = Action::zero;
  if (action == Action::drop && drops_channels(call.op) && x.shape.size() < 2)
    return refused("Feature dropout requires at least 2 dimensions in the input");

  const OpenCall now{call.op, call.p, x.dtype, x.shape, action, seed_, next_call_};
  switch (action) {
    case Action::copy:
      copy_elements(x, y);
      if (call.mask) write_constant_mask(call.mask.view, 1);
      break;
    case Action::zero:
      zero_elements(x, y);
      if (call.mask) write_constant_mask(call.mask.view, 0);
      break;
    case Action::drop: {
      const auto kept = mask_of(call.op, call.p, x.shape, seed_, next_call_++);
      const std::int64_t per_entry = elements_per_entry(call.op, x.shape);
      const Definition definition(call.op, call.p, x.dtype);
      apply_mask(
          x, y, kept, per_entry, [&](double v) { return definition.kept(v); },
          [&](double v) { return definition.dropped(v); });
      if (call.mask) write_mask(call.mask.view, kept, per_entry);
      break;
    }
  }

  Observation seen = observation_of(y);
  seen.aliases_input = call.in_place;
  if (call.mode == Mode::train) seen.effective_p = effective_p(call.p);
  if (call.save_for_backward) {
    seen.saved.id = ++last_token_;
    open_calls_.emplace(seen.saved.id, now);
  }
  return seen;
}

Expected<Observation> ReferenceBackend::backward(const BackwardCall& call) {
  const auto found = open_calls_.find(call.saved.id);
  if (found == open_calls_.end())
    return refused(fmt::format("no forward call is saved under {}", call.saved.id));
  const OpenCall& saved = found->second;
  if (!call.dy || !call.dx) return refused("a backward call needs dy and dx");
  const TensorView& dy = call.dy.view;
  const TensorView& dx = call.dx.view;
  if (dy.shape != saved.shape || dy.dtype != saved.dtype)
    return refused("dy must have the shape and dtype of the saved forward call");

  switch (saved.action) {
    case Action::copy: copy_elements(dy, dx); break;
    case Action::zero: zero_elements(dy, dx); break;
    case Action::drop: {
      const auto kept = mask_of(saved.op, saved.p, saved.shape, saved.seed, saved.number);
      const Definition definition(saved.op, saved.p, saved.dtype);
      apply_mask(
          dy, dx, kept, elements_per_entry(saved.op, saved.shape),
          [&](double v) { return definition.kept_gradient(v); },
          [&](double v) { return definition.dropped_gradient(v); });
      break;
    }
  }

  return observation_of(dx);
}

Expected<std::vector<std::byte>> ReferenceBackend::save_state() {
  const std::array<std::uint64_t, 2> words = {seed_, next_call_};
  const auto bytes = std::as_bytes(std::span(words));
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

Status ReferenceBackend::load_state(std::span<const std::byte> state) {
  std::array<std::uint64_t, 2> words{};
  if (state.size() != sizeof words)
    return refused(fmt::format("a state has {} bytes, not {}", sizeof words, state.size()));
  std::memcpy(words.data(), state.data(), sizeof words);
  seed_ = words[0];
  next_call_ = words[1];
  return Done{};
}

Expected<std::unique_ptr<Backend>> open_reference(const std::string& argument, const BackendOptions&) {
  if (argument.empty()) return std::unique_ptr<Backend>(std::make_unique<ReferenceBackend>());
  if (argument.starts_with("pytorch-cuda")) return SimulatedCudaBackend::open(argument);
  return refused(
      fmt::format("the reference backend does not know '{}': write reference for the definition, or "
                  "reference:pytorch-cuda?sm=132&threads=2048&vec=8 for PyTorch's dropout on that device",
                  argument));
}

}  // namespace dropcheck::reference
