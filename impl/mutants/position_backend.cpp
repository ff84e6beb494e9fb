#include "impl/mutants/position_backend.hpp"

#include <algorithm>
#include <cmath>

#include "harness/core/problem.hpp"
#include "impl/mutants/generator.hpp"
#include "impl/mutants/tensors.hpp"

namespace dropcheck::mutants {
namespace {

constexpr std::uint64_t kOtherGenerator = 0x6A09E667F3BCC909;  // fraction of sqrt(2): any other key does
constexpr std::uint32_t kManyThreads = 4;                      // more take another generator

/// Whether the word, as a number of 53 bits in [0, 1), is not below p.
bool keeps(std::uint64_t word, double p) {
  return (word >> 11) >= static_cast<std::uint64_t>(std::ceil(std::ldexp(p, 53)));
}

/// One draw for all channels of a sample.
void share_by_sample(const CallState& state, Mask& mask) {
  const auto channels = static_cast<std::size_t>(state.shape[1]);
  for (std::size_t i = 0; i < mask.kept.size(); ++i) mask.kept[i] = mask.kept[i / channels * channels];
}

/// Whether the second dimension is the innermost one in memory.
bool is_channels_last(const TensorView& view) {
  return view.shape.size() >= 4 && view.shape[1] > 1 && view.strides[1] == 1 && view.strides.back() > 1;
}

/// Memory holds N, H, W, C; whoever takes that for N, C, H, W drops whole rows (n, h).
Mask by_memory_order(const CallState& state, const Mask& drawn) {
  const auto n = static_cast<std::uint64_t>(element_count(state.shape));
  const auto channels = static_cast<std::uint64_t>(state.shape[1]),
             rows = static_cast<std::uint64_t>(state.shape[2]);
  const auto inner = static_cast<std::uint64_t>(element_count(std::span(state.shape).subspan(3)));
  Mask mask{std::vector<std::uint8_t>(n), 1};
  for (std::uint64_t i = 0; i < n; ++i) {
    const std::uint64_t sample = i / (channels * rows * inner), row = i / inner % rows;
    mask.kept[i] = drawn.kept[(sample * rows + row) % drawn.kept.size()];
  }
  return mask;
}

/// Twelve entries a chunk, packed eight to the byte: entries 24 k + 8 to 15 share a byte between two chunks.
/// Where both update it at once, the four of the first chunk are lost, and 0 is what the buffer began with.
void lose_updates(const CallState& state, double part, Mask& mask) {
  const std::uint64_t key = key_of(state.seed, state.number, kBackwardUse);
  for (std::size_t at = 8; at + 4 < mask.kept.size(); at += 24) {
    if (keeps(word_of(key, at), part)) continue;
    std::fill_n(mask.kept.begin() + static_cast<std::ptrdiff_t>(at), 4, std::uint8_t{0});
  }
}

}  // namespace

PositionBackend::PositionBackend(const std::string& id, Fault fault, Source source, double strength)
    : PlainBackend(id, fault, source), fault_(fault), strength_(strength) {}

void PositionBackend::prepare(const Call& call, CallState& state) {
  const bool would_draw = call.p > 0 && call.p < 1 && element_count(state.shape) > 0;
  switch (fault_) {
    case Fault::half_drops_in_eval:
      if (would_draw && state.dtype == DType::f16) state.action = Action::drop;
      break;
    case Fault::p_zero_after_eval:
      if (call.seed) stays_off_ = false;
      if (call.mode == Mode::eval) stays_off_ = true;
      if (stays_off_) state.action = Action::copy;
      break;
    case Fault::channels_by_memory: state.note = is_channels_last(call.x.view) ? 1 : 0; break;
    case Fault::variate_kept: {
      // Variates come in pairs: of an odd number one is left for the next call, whatever the seed of that.
      if (state.action != Action::drop) break;
      state.note = variate_;
      const auto entries = static_cast<std::uint64_t>(entries_of(call.op, state.shape));
      const bool leaves_one = (entries + (variate_ != 0 ? 1 : 0)) % 2 == 1;
      variate_ = leaves_one ? word_of(key_of(state.seed, state.number, kForwardUse), entries) | 1 : 0;
      break;
    }
    default: break;
  }
}

Mask PositionBackend::drawn_mask(const CallState& state) {
  CallState drawn = state;
  if (fault_ == Fault::generator_by_threads && state.threads > kManyThreads)
    drawn.seed = mix(state.seed ^ kOtherGenerator);
  Mask mask = PlainBackend::drawn_mask(drawn);
  std::vector<std::uint8_t>& kept = mask.kept;
  switch (fault_) {
    case Fault::batched_as_unbatched:
      if (drops_channels(state.op)) share_by_sample(state, mask);
      break;
    case Fault::channels_by_memory:
      if (drops_channels(state.op) && state.note != 0) return by_memory_order(state, mask);
      break;
    case Fault::middle_undrawn:
      if (kept.size() % 2 == 0) kept[kept.size() / 2] = 0;  // the number there is 0, below every p
      break;
    case Fault::packed_update_lost: lose_updates(state, strength_, mask); break;
    case Fault::last_group_reversed:
      std::reverse(kept.begin() + static_cast<std::ptrdiff_t>(kept.size() / 4 * 4), kept.end());
      break;
    case Fault::left_over_shared: {
      const auto vector = static_cast<std::size_t>(strength_), whole = kept.size() / vector * vector;
      for (std::size_t i = whole + 1; i < kept.size(); ++i) kept[i] = kept[whole];
      break;
    }
    case Fault::variate_kept:
      if (state.note != 0) kept[0] = keeps(state.note, state.p) ? 1 : 0;
      break;
    default: break;
  }
  return mask;
}

}  // namespace dropcheck::mutants
