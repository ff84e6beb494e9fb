#include "impl/mutants/gradient_backend.hpp"

#include <algorithm>
#include <functional>

#include "harness/core/element.hpp"
#include "harness/core/problem.hpp"
#include "impl/mutants/generator.hpp"
#include "impl/mutants/tensors.hpp"

namespace dropcheck::mutants {
namespace {

constexpr std::uint64_t kBlock = 64;    // keys of a block of attention
constexpr std::size_t kOpenAtMost = 2;  // saved calls before memory is short
constexpr std::uint64_t kDefaultSeed = 0;

/// The call's mask where entry i takes the draw of entry from(i).
Mask remapped(const CallState& state, Mask mask, const std::function<std::uint64_t(std::uint64_t)>& from) {
  std::uint64_t most = 0;
  for (std::uint64_t i = 0; i < mask.kept.size(); ++i) most = std::max(most, from(i));
  CallState wide = state;  // draws go by the number of the entry alone
  wide.op = Op::dropout;
  wide.shape = {static_cast<std::int64_t>(most) + 1};
  const Mask all = draw_mask(wide, Fault::none, kForwardUse);
  for (std::uint64_t i = 0; i < mask.kept.size(); ++i) mask.kept[i] = all.kept[from(i)];
  return mask;
}

Mask transposed(const CallState& state, Mask mask) {
  std::vector<std::int64_t> shape = state.shape;
  if (drops_channels(state.op)) shape.resize(2);
  if (shape.size() < 2) return mask;
  const auto rows = static_cast<std::uint64_t>(shape[shape.size() - 2]),
             columns = static_cast<std::uint64_t>(shape.back());
  return remapped(state, std::move(mask), [=](std::uint64_t i) {
    const std::uint64_t in_matrix = i % (rows * columns);
    return i - in_matrix + in_matrix % columns * rows + in_matrix / columns;
  });
}

/// The second half of the entries as another device draws them, which counts from the beginning.
Mask in_two_shards(const CallState& state, Mask mask) {
  CallState other = state;
  other.number += std::uint64_t{1} << 32;
  const Mask drawn = draw_mask(other, Fault::none, kForwardUse);
  const std::size_t share = (mask.kept.size() + 1) / 2;
  for (std::size_t i = share; i < mask.kept.size(); ++i) mask.kept[i] = drawn.kept[i - share];
  return mask;
}

Mask drawn_as(CallState state, std::uint64_t seed, std::uint64_t number) {
  state.seed = seed;
  state.number = number;
  return draw_mask(state, Fault::none, kForwardUse);
}

}  // namespace

GradientBackend::GradientBackend(const std::string& id, Fault fault)
    : PlainBackend(id, fault), fault_(fault) {}

Expected<Observation> GradientBackend::forward(const Call& call) {
  Call changed = call;
  if (fault_ == Fault::mask_not_shared && call.seed) changed.seed = mix(*call.seed + ++asked_);
  auto seen = PlainBackend::forward(changed);
  if (!seen || seen->saved.id == 0) return seen;
  open_.push_back(seen->saved.id);
  if (fault_ == Fault::mask_from_output) {
    const TensorView& y = call.in_place ? call.x.view : call.y.view;
    std::vector<std::byte> bytes(static_cast<std::size_t>(y.count()) * y.element_size());
    gather(y, bytes.data());
    std::vector<std::uint8_t>& not_zero = not_zero_[seen->saved.id];
    for (std::size_t at = 0; at < bytes.size(); at += y.element_size())
      not_zero.push_back(load_element(bytes.data() + at, y.dtype) != 0 ? 1 : 0);
  }
  return seen;
}

Expected<Observation> GradientBackend::backward(const BackwardCall& call) {
  in_backward_ = call.saved.id;
  return PlainBackend::backward(call);
}

void GradientBackend::release(SavedToken saved) {
  std::erase(open_, saved.id);
  not_zero_.erase(saved.id);
  PlainBackend::release(saved);
}

Status GradientBackend::load_state(std::span<const std::byte> state) {
  if (fault_ == Fault::preserve_flag_ignored) return Done{};
  return PlainBackend::load_state(state);
}

Mask GradientBackend::backward_mask(const CallState& state, bool second) {
  Mask mask = PlainBackend::backward_mask(state, second);
  switch (fault_) {
    case Fault::backward_block_stride:
      return remapped(state, std::move(mask),
                      [](std::uint64_t i) { return i / kBlock * (kBlock + 1) + i % kBlock; });
    case Fault::backward_unmasked_tile:
      for (std::size_t i = kBlock / 2; i < std::min<std::size_t>(kBlock, mask.kept.size()); ++i)
        mask.kept[i] = 1;
      return mask;
    case Fault::recompute_fresh: return drawn_as(state, draws().seed, draws().next++);
    case Fault::recompute_under_pressure:
      if (open_.size() <= kOpenAtMost || in_backward_ != open_.front()) return mask;
      return drawn_as(state, mix(state.seed), ++asked_);
    case Fault::recompute_seed_advanced: return drawn_as(state, draws().seed, draws().next - 1);
    case Fault::recompute_other_shards: return in_two_shards(state, std::move(mask));
    case Fault::recompute_default_seed: return drawn_as(state, kDefaultSeed, state.number);
    case Fault::backward_transposed: return transposed(state, std::move(mask));
    case Fault::regenerates_fresh: return drawn_as(state, ++asked_, 0);
    case Fault::mask_from_output:
      if (is_alpha(state.op)) return mask;
      return {not_zero_.at(in_backward_), 1};
    case Fault::graph_mask_redrawn: return second ? draw_mask(state, Fault::none, kBackwardUse) : mask;
    default: return mask;
  }
}

}  // namespace dropcheck::mutants
