#include "impl/mutants/mask.hpp"

#include <cmath>

#include "harness/core/problem.hpp"
#include "impl/mutants/generator.hpp"
#include "impl/mutants/philox.hpp"

namespace dropcheck::mutants {
namespace {

/// Entry i of the mask takes draw number map(i); the draw drops when its leading `bits` bits are below the
/// threshold.
template <typename Map>
void fill(std::vector<std::uint8_t>& kept, std::uint64_t key, std::uint64_t threshold, unsigned bits,
          Map&& map) {
  const unsigned shift = 64 - bits;
  for (std::uint64_t i = 0; i < kept.size(); ++i)
    kept[i] = (word_of(key, map(i)) >> shift) >= threshold ? 1 : 0;
}

/// The stream dropcheck-philox (docs/streams.md): entry i takes word i % 4 of counter (i / 4, call number)
/// and is dropped where that is below ceil(p * 2^32).
void fill_from_philox(std::vector<std::uint8_t>& kept, const CallState& call, unsigned rounds) {
  const auto threshold = static_cast<std::uint64_t>(std::ceil(std::ldexp(call.p, 32)));
  std::array<std::uint32_t, 4> words{};
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (i % 4 == 0) words = philox4x32(i / 4, call.number, call.seed, rounds);
    kept[i] = words[i % 4] >= threshold ? 1 : 0;
  }
}

}  // namespace

std::int64_t entries_of(Op op, std::span<const std::int64_t> shape) {
  if (drops_channels(op) && shape.size() < 2) return 0;
  const std::int64_t per_entry = drops_channels(op) ? element_count(shape.subspan(2)) : 1;
  return per_entry == 0 ? 0 : element_count(shape) / per_entry;
}

Mask blank_mask(const CallState& call) {
  const std::int64_t entries = entries_of(call.op, call.shape);
  return {std::vector<std::uint8_t>(static_cast<std::size_t>(entries)),
          drops_channels(call.op) ? element_count(std::span(call.shape).subspan(2)) : 1};
}

Mask draw_mask(const CallState& call, Fault fault, std::uint64_t use) {
  const bool whole_channels = drops_channels(call.op) && fault != Fault::dropout2d_elementwise;
  const std::int64_t per_entry = whole_channels ? element_count(std::span(call.shape).subspan(2)) : 1;
  const std::int64_t entries = element_count(call.shape) / per_entry;
  Mask mask{std::vector<std::uint8_t>(static_cast<std::size_t>(entries)), per_entry};
  std::vector<std::uint8_t>& kept = mask.kept;
  if (call.source == Source::philox) {
    fill_from_philox(kept, call, fault == Fault::seven_rounds ? 7 : kPhiloxRounds);
    return mask;
  }

  const bool goes_on = call.source == Source::entries;
  const std::uint64_t key = key_of(call.seed, goes_on ? 0 : call.number, use);
  const bool coarse = fault == Fault::threshold8;
  const unsigned bits = coarse ? 8 : 53;
  // 53 bits: a draw drops when bits * 2^-53 < p, that is bits < ceil(p * 2^53).
  const auto threshold = static_cast<std::uint64_t>(coarse ? std::floor(std::ldexp(call.p, 8))
                                                           : std::ceil(std::ldexp(call.p, 53)));

  if (fault == Fault::lanes_of_four) {
    fill(kept, key, threshold, bits, [](std::uint64_t i) { return i / 4; });
  } else if (fault == Fault::row_key && !drops_channels(call.op) && !call.shape.empty()) {
    const auto row = static_cast<std::uint64_t>(call.shape.back());
    fill(kept, key, threshold, bits, [row](std::uint64_t i) { return i % row; });
  } else if (fault == Fault::batch_shares_channels && drops_channels(call.op)) {
    const auto channels = static_cast<std::uint64_t>(call.shape[1]);
    fill(kept, key, threshold, bits, [channels](std::uint64_t i) { return i % channels; });
  } else if (fault == Fault::thread_dependent && call.threads > 1) {
    const std::uint64_t share = (kept.size() + call.threads - 1) / call.threads;
    fill(kept, key, threshold, bits, [share](std::uint64_t i) { return (i / share) << 40 | i % share; });
  } else if (fault == Fault::lanes_of_last_call) {
    // Of each four entries, the last two are the first two of the next call.
    for (std::uint64_t half = 0; half < 2; ++half) {
      std::vector<std::uint8_t> lanes(kept.size());
      fill(lanes, key_of(call.seed, call.number + half, use), threshold, bits,
           [](std::uint64_t i) { return i / 4 * 2 + i % 2; });
      for (std::size_t i = 0; i < kept.size(); ++i)
        if (i % 4 / 2 == half) kept[i] = lanes[i];
    }
  } else {
    fill(kept, key, threshold, bits,
         [first = goes_on ? call.number : 0](std::uint64_t i) { return first + i; });
  }

  if (fault == Fault::swapped)
    for (std::uint8_t& keep : kept) keep ^= 1u;
  if (fault == Fault::tail_kept)
    for (std::size_t i = kept.size() / 4 * 4; i < kept.size(); ++i) kept[i] = 1;
  return mask;
}

}  // namespace dropcheck::mutants
