#include "impl/cpu/cpu_backend.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "harness/core/element.hpp"
#include "impl/cpu/apply.hpp"

namespace dropcheck::cpu {
namespace {

constexpr std::size_t kChunk = 2048;  // elements handled at once: their bytes stay in the first-level cache
constexpr std::int64_t kSmallestShare = std::int64_t{1}
                                        << 14;  // elements below which a thread costs more than it brings

Error refused(std::string message) { return Error{ErrorCode::invalid_argument, std::move(message)}; }

/// Calls work(first, last) on disjoint parts of [0, count), in as many threads as are allowed and worth it.
void split(std::int64_t count, std::uint32_t threads,
           const std::function<void(std::int64_t, std::int64_t)>& work) {
  const std::int64_t parts =
      std::clamp<std::int64_t>(count / kSmallestShare, 1, std::max<std::int64_t>(threads, 1));
  const std::int64_t share = (count / parts + 63) / 64 * 64;  // parts begin at a whole batch of random words
  std::vector<std::jthread> helpers;
  for (std::int64_t part = 1; part < parts && part * share < count; ++part) {
    const std::int64_t last = part + 1 == parts ? count : std::min(count, (part + 1) * share);
    helpers.emplace_back([&work, first = part * share, last] { work(first, last); });
  }
  work(0, parts == 1 ? count : std::min(count, share));
}

/// Hands out the keep bytes of elements: drawn one an element, or one a channel and repeated over it.
class KeepBytes {
 public:
  explicit KeepBytes(const CpuBackend::CallState& call) : stream_(call.stream) {
    if (call.action != CpuBackend::Action::drop) {
      constant_ = call.action == CpuBackend::Action::copy ? 1 : 0;
      source_ = Source::constant;
    } else if (drops_channels(call.op) && call.shape.size() > 2) {
      channel_size_ = element_count(std::span(call.shape).subspan(2));
      channels_.resize(static_cast<std::size_t>(call.shape[0] * call.shape[1]));
      split(static_cast<std::int64_t>(channels_.size()), call.threads,
            [&](std::int64_t first, std::int64_t last) {
              stream_.draw(static_cast<std::uint64_t>(first), static_cast<std::size_t>(last - first),
                           channels_.data() + first);
            });
      source_ = Source::channels;
    }
  }

  /// Of elements first .. first + count - 1 in logical order.
  void read(std::int64_t first, std::size_t count, std::uint8_t* kept) const {
    switch (source_) {
      case Source::elements: stream_.draw(static_cast<std::uint64_t>(first), count, kept); return;
      case Source::constant: std::memset(kept, constant_, count); return;
      case Source::channels: break;
    }
    std::int64_t channel = first / channel_size_, inside = first % channel_size_;
    while (count > 0) {
      const std::size_t run = std::min(count, static_cast<std::size_t>(channel_size_ - inside));
      std::memset(kept, channels_[static_cast<std::size_t>(channel)], run);
      kept += run;
      count -= run;
      inside = 0;
      ++channel;
    }
  }

 private:
  enum class Source : std::uint8_t { elements, channels, constant };

  MaskStream stream_;
  Source source_ = Source::elements;
  std::uint8_t constant_ = 0;
  std::int64_t channel_size_ = 1;
  std::vector<std::uint8_t> channels_;
};

/// Writes the mask packed, as Call::packed_mask says. Parts of the work begin at whole bytes.
void pack(const CpuBackend::CallState& call, const TensorView& packed) {
  const KeepBytes keep_bytes(call);
  split(element_count(call.shape), call.threads, [&](std::int64_t first, std::int64_t last) {
    alignas(64) std::uint8_t kept[kChunk];
    while (first < last) {
      const std::size_t count = std::min(kChunk, static_cast<std::size_t>(last - first));
      keep_bytes.read(first, count, kept);
      pack_bytes(kept, count, packed.data + first / 8);
      first += static_cast<std::int64_t>(count);
    }
  });
}

/// One pass over the tensors: y = law(x) under the call's mask, and the mask itself where it is wanted. A
/// copy keeps all bits.
void pass(const CpuBackend::CallState& call, const Affine& law, const TensorView& x, const TensorView& y,
          const TensorView* mask) {
  const KeepBytes keep_bytes(call);
  split(x.count(), call.threads, [&](std::int64_t first, std::int64_t last) {
    Walker from(x, first), to(y, first);
    std::optional<Walker> mask_to;
    if (mask != nullptr) mask_to.emplace(*mask, first);
    alignas(64) std::uint8_t kept[kChunk];
    alignas(64) std::byte elements[kChunk * sizeof(double)];
    while (first < last) {
      const std::size_t count = std::min(kChunk, static_cast<std::size_t>(last - first));
      const bool needs_mask = call.action != CpuBackend::Action::copy || mask != nullptr;
      if (needs_mask) keep_bytes.read(first, count, kept);
      if (call.action != CpuBackend::Action::copy && from.dense() != nullptr && to.dense() != nullptr) {
        apply(law, x.dtype, from.dense(), kept, count, to.dense());
        from.skip(count);
        to.skip(count);
      } else {
        from.read(count, elements);
        if (call.action != CpuBackend::Action::copy) apply(law, x.dtype, elements, kept, count, elements);
        to.write(count, elements);
      }
      if (mask_to) mask_to->write(count, reinterpret_cast<const std::byte*>(kept));
      first += static_cast<std::int64_t>(count);
    }
  });
}

}  // namespace

CpuBackend::CpuBackend() {
  capabilities_.name = "cpu";
  capabilities_.version = DROPCHECK_VERSION;
  capabilities_.exact_stream = "dropcheck-philox";
  capabilities_.ops.assign(kAllOps.begin(), kAllOps.end());
  capabilities_.dtypes.assign(kFloatDTypes.begin(), kFloatDTypes.end());
  capabilities_.layouts.assign(kAllLayouts.begin(), kAllLayouts.end());
  capabilities_.seed_semantics = SeedSemantics::stateful;
  capabilities_.seed_bits = 64;
  capabilities_.offset_unit = "calls";
  capabilities_.backward = true;
  capabilities_.in_place = true;
  capabilities_.threads = true;
  capabilities_.mask_output = true;
  capabilities_.packed_mask = capabilities_.constant_input = true;
  capabilities_.effective_rate = true;
  capabilities_.recompute = true;
  // A mask is that of seed and call number alone: one word an entry, whatever p and the rank are.
  capabilities_.promises = {"coupled_thresholds", "equal_ranks"};
}

Expected<Observation> CpuBackend::forward(const Call& call) {
  const bool has_x = call.x || (call.constant_input && !call.in_place);
  if (!has_x || (!call.in_place && !call.y && !call.packed_mask))
    return refused(
        "a forward call needs x, or a constant out of place, and y or packed_mask unless it is in place");
  TensorView x = call.x.view;
  const TensorView& y = call.in_place ? x : call.y.view;
  const bool mask_alone = !call.in_place && !call.y;

  if (call.seed) {
    seed_ = *call.seed;
    next_call_ = call.offset;
  } else {
    next_call_ += call.offset;
  }

  if (!(call.p >= 0.0 && call.p <= 1.0))
    return refused(fmt::format("dropout probability has to be between 0 and 1, but got {}", call.p));
  if (!is_float(x.dtype))
    return Error{ErrorCode::unsupported, fmt::format("dtype {} is not supported", to_string(x.dtype))};

  CallState state{call.op, call.p, x.dtype, x.shape, Action::drop, call.threads, {}};
  Affine law;  // all zero: x * 0
  if (call.p == 0.0 || call.mode == Mode::eval || x.count() == 0) {
    state.action = Action::copy;
  } else if (call.p == 1.0) {
    state.action = Action::zero;
  } else {
    if (drops_channels(call.op) && x.shape.size() < 2)
      return refused("Feature dropout requires at least 2 dimensions in the input");
    state.stream = {seed_, next_call_++, last_dropped_word(call.p)};
    law = forward_law(call.op, call.p, x.dtype);
  }
  std::array<std::byte, sizeof(double)> constant{};
  if (!call.x) {  // all elements are one
    store_element(*call.constant_input, constant.data(), x.dtype);
    x.data = constant.data();
    x.strides.assign(x.shape.size(), 0);
  }
  if (!mask_alone) pass(state, law, x, y, call.mask ? &call.mask.view : nullptr);
  if (call.packed_mask) pack(state, call.packed_mask.view);

  Observation seen;
  if (!mask_alone) {
    seen.produced_shape = y.shape;
    seen.produced_strides = y.strides;
    seen.produced_dtype = y.dtype;
  }
  seen.aliases_input = call.in_place;
  if (call.mode == Mode::train) seen.effective_p = effective_rate(call.p);
  if (call.save_for_backward) {
    seen.saved.id = ++last_token_;
    open_calls_.emplace(seen.saved.id, std::move(state));
  }
  return seen;
}

Expected<Observation> CpuBackend::backward(const BackwardCall& call) {
  const auto found = open_calls_.find(call.saved.id);
  if (found == open_calls_.end())
    return refused(fmt::format("no forward call is saved under {}", call.saved.id));
  const CallState& state = found->second;
  if (!call.dy || !call.dx) return refused("a backward call needs dy and dx");
  const TensorView& dy = call.dy.view;
  const TensorView& dx = call.dx.view;
  if (dy.shape != state.shape || dy.dtype != state.dtype)
    return refused("dy must have the shape and dtype of the saved forward call");
  const Affine law = state.action == Action::drop ? backward_law(state.op, state.p, state.dtype) : Affine{};
  pass(state, law, dy, dx, nullptr);

  Observation seen;
  seen.produced_shape = dx.shape;
  seen.produced_strides = dx.strides;
  seen.produced_dtype = dx.dtype;
  return seen;
}

Expected<std::vector<std::byte>> CpuBackend::save_state() {
  const std::array<std::uint64_t, 2> words = {seed_, next_call_};
  const auto bytes = std::as_bytes(std::span(words));
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

Status CpuBackend::load_state(std::span<const std::byte> state) {
  std::array<std::uint64_t, 2> words{};
  if (state.size() != sizeof words)
    return refused(fmt::format("a state has {} bytes, not {}", sizeof words, state.size()));
  std::memcpy(words.data(), state.data(), sizeof words);
  seed_ = words[0];
  next_call_ = words[1];
  return Done{};
}

Expected<std::unique_ptr<Backend>> open_cpu(const std::string& argument, const BackendOptions&) {
  if (!argument.empty())
    return refused(fmt::format("the cpu backend takes no argument, but got '{}': write cpu", argument));
  return std::unique_ptr<Backend>(std::make_unique<CpuBackend>());
}

}  // namespace dropcheck::cpu
