#include "impl/mutants/draws_backend.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <random>

#include "impl/mutants/draw_rule.hpp"
#include "impl/mutants/weak_generators.hpp"

namespace dropcheck::mutants {
namespace {

constexpr double kFair = 0.5;  // where a mask can be one bit of a generator

/// A second word for entry `i`, independent of the one that decides.
std::uint64_t other_word(std::uint64_t key, std::uint64_t i) { return word_of(mix(key ^ kGoldenGamma), i); }

bool happens(double probability, std::uint64_t word) { return unit_interval(word) < probability; }

Mask clean_mask(const CallState& call) {
  return mask_from(call, [key = clean_key(call)](std::uint64_t i) { return word_of(key, i); });
}

/// So many successive indices along axis 1, or channels, are decided by one draw.
Mask shared_along_axis(const CallState& call, std::uint64_t together) {
  const bool channels = drops_channels(call.op);
  if (call.shape.size() < (channels ? 2u : 3u)) return clean_mask(call);
  std::uint64_t inner = 1;
  if (!channels)
    for (std::size_t axis = 2; axis < call.shape.size(); ++axis)
      inner *= static_cast<std::uint64_t>(call.shape[axis]);
  const auto extent = static_cast<std::uint64_t>(call.shape[1]);
  return mask_from(call, [=, key = clean_key(call)](std::uint64_t i) {
    return word_of(key, i - i / inner % extent % together * inner);
  });
}

/// Four entries take the same 64 bits, each shifted by one bit more.
Mask shifted_by_bits(const CallState& call) {
  const DrawRule rule(call.p, 32);
  const std::uint64_t key = clean_key(call);
  Mask mask = kept_mask(call);
  for (std::uint64_t i = 0; i < mask.kept.size(); ++i)
    mask.kept[i] = rule.keep(word_of(key, i / 4) >> (i % 4) << 32);
  return mask;
}

/// Eight lanes with the seeds s, s + 1, ... s + 7 of a generator with 2^16 states.
Mask lanes_of_short_lcg(const CallState& call) {
  constexpr std::size_t kLanes = 8;
  const DrawRule rule(call.p, 16);
  std::array<PowerOfTwoLcg, kLanes> lanes{};
  for (std::size_t lane = 0; lane < kLanes; ++lane)
    lanes[lane] = {25173, 13849, static_cast<std::uint32_t>(clean_key(call) + lane) & 0xFFFF, 16};
  Mask mask = kept_mask(call);
  for (std::size_t i = 0; i < mask.kept.size(); ++i)
    mask.kept[i] = rule.keep(std::uint64_t{lanes[i % kLanes].next()} << 48);
  return mask;
}

/// In each stretch of `stretch` entries floor(stretch p) or one more are dropped: every choice of as many is
/// equally likely (selection sampling: Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S).
Mask exact_counts(const CallState& call, std::uint64_t stretch) {
  const std::uint64_t key = clean_key(call);
  Mask mask = kept_mask(call);
  const std::uint64_t n = mask.kept.size();
  for (std::uint64_t begin = 0; begin < n; begin += stretch) {
    std::uint64_t left = std::min(stretch, n - begin);
    auto wanted = static_cast<std::uint64_t>(static_cast<double>(left) * call.p +
                                             unit_interval(other_word(key, begin / stretch)));
    for (std::uint64_t i = begin; left > 0; ++i, --left) {
      if (unit_interval(word_of(key, i)) * static_cast<double>(left) >= static_cast<double>(wanted)) continue;
      mask.kept[i] = 0;
      --wanted;
    }
  }
  return mask;
}

/// One drop in each stretch of 1/p entries; above p = 1/2 one keep in each of 1/(1 - p).
Mask stratified(const CallState& call) {
  const bool rare_is_drop = call.p <= kFair;
  const double stretch = 1 / (rare_is_drop ? call.p : 1 - call.p);
  const std::uint64_t key = clean_key(call);
  Mask mask = kept_mask(call);
  std::fill(mask.kept.begin(), mask.kept.end(), rare_is_drop ? 1 : 0);
  const auto n = static_cast<double>(mask.kept.size());
  for (std::uint64_t k = 0; static_cast<double>(k) * stretch < n; ++k) {
    const double at = std::floor((static_cast<double>(k) + unit_interval(word_of(key, k))) * stretch);
    if (at < n) mask.kept[static_cast<std::size_t>(at)] = rare_is_drop ? 0 : 1;
  }
  return mask;
}

Mask of_mcg31(const CallState& call, std::uint64_t first) {
  Mcg31 generator{first};
  Mask mask = kept_mask(call);
  for (std::uint8_t& keep : mask.kept) keep = generator.next() < call.p ? 0 : 1;
  return mask;
}

/// Each block of 64 entries seeds a shift register with the sum of a seed and the block's number.
Mask of_reseeded_blocks(const CallState& call) {
  constexpr std::size_t kBlock = 64;
  const DrawRule rule(call.p, 32);
  const auto seed = static_cast<std::uint32_t>(clean_key(call));
  Mask mask = kept_mask(call);
  Xorshift32 generator{1};
  for (std::size_t i = 0; i < mask.kept.size(); ++i) {
    if (i % kBlock == 0) generator.x = std::max(seed + static_cast<std::uint32_t>(i / kBlock), 1u);
    mask.kept[i] = rule.keep(std::uint64_t{generator.next()} << 32);
  }
  return mask;
}

Mask of_first_key(const CallState& call) {
  if (call.shape.size() < 2) return clean_mask(call);
  const auto sample = static_cast<std::uint64_t>(entries_of(call.op, call.shape) / call.shape[0]);
  return mask_from(call,
                   [sample, key = clean_key(call)](std::uint64_t i) { return word_of(key, i % sample); });
}

Mask of_row_seeds(const CallState& call, std::uint64_t seeds) {
  if (call.shape.size() < 2 || drops_channels(call.op)) return clean_mask(call);
  const auto row = static_cast<std::uint64_t>(call.shape.back());
  return mask_from(call, [=, key = clean_key(call)](std::uint64_t i) {
    return word_of(key, i / row % seeds * row + i % row);
  });
}

/// The low byte of a linear congruential generator modulo 2^32 (Numerical Recipes, 2nd ed., 7.1): its period
/// is 256.
Mask of_low_bytes(const CallState& call) {
  const DrawRule rule(call.p, 8);
  PowerOfTwoLcg generator{1664525, 1013904223, static_cast<std::uint32_t>(clean_key(call))};
  Mask mask = kept_mask(call);
  for (std::uint8_t& keep : mask.kept) keep = rule.keep(std::uint64_t{generator.next()} << 56);
  return mask;
}

/// Each entry copies the one `distance` before it with the given probability, where spacing divides its
/// index.
Mask copying(const CallState& call, double probability, std::uint64_t spacing) {
  Mask mask = clean_mask(call);
  const std::uint64_t key = clean_key(call);
  for (std::uint64_t i = spacing; i < mask.kept.size(); i += spacing)
    if (happens(probability, other_word(key, i))) mask.kept[i] = mask.kept[i - 1];
  return mask;
}

/// Entry i is dropped with probability rate_of(i).
template <typename RateOf>
Mask at_rates(const CallState& call, RateOf&& rate_of) {
  const std::uint64_t key = clean_key(call);
  Mask mask = kept_mask(call);
  for (std::uint64_t i = 0; i < mask.kept.size(); ++i)
    mask.kept[i] = unit_interval(word_of(key, i)) < rate_of(i) ? 0 : 1;
  return mask;
}

Mask drifting(const CallState& call, double share) {
  const auto last = static_cast<double>(std::max<std::int64_t>(entries_of(call.op, call.shape) - 1, 1));
  return at_rates(
      call, [&](std::uint64_t i) { return call.p * (1 + share * (2 * static_cast<double>(i) / last - 1)); });
}

/// Of every four calls after a seed the first two have a lower rate than the others.
Mask of_call_rates(const CallState& call, double share) {
  const double rate = call.p * (call.number % 4 < 2 ? 1 - share : 1 + share);
  return at_rates(call, [rate](std::uint64_t) { return rate; });
}

Mask of_stretch_rates(const CallState& call, double share) {
  constexpr std::uint64_t kStretch = 256;
  return at_rates(call, [=, &call, key = clean_key(call)](std::uint64_t i) {
    return call.p * (other_word(key, i / kStretch) >> 63 ? 1 + share : 1 - share);
  });
}

Mask of_period(const CallState& call, double share, std::uint64_t period) {
  return at_rates(call, [=, &call](std::uint64_t i) {
    const double turns = static_cast<double>(i % period) / static_cast<double>(period);
    return call.p * (1 + share * std::cos(2 * std::numbers::pi * turns));
  });
}

/// At p = 1/2, in the given share of all groups of eight, the last entry makes the number of drops even.
Mask of_even_groups(const CallState& call, double share) {
  Mask mask = clean_mask(call);
  if (call.p != kFair) return mask;
  const std::uint64_t key = clean_key(call);
  for (std::uint64_t i = 7; i < mask.kept.size(); i += 8) {
    if (!happens(share, other_word(key, i))) continue;
    std::uint8_t odd = 0;
    for (std::uint64_t j = i - 7; j < i; ++j) odd ^= mask.kept[j];
    mask.kept[i] = odd;
  }
  return mask;
}

/// At p = 1/2 a shift register: each entry is the exclusive or of those `near` and `far` before it.
Mask of_register(const CallState& call, std::size_t near, std::size_t far) {
  Mask mask = clean_mask(call);
  if (call.p != kFair) return mask;
  for (std::size_t i = far; i < mask.kept.size(); ++i)
    mask.kept[i] = mask.kept[i - near] ^ mask.kept[i - far];
  return mask;
}

/// At p = 1/2 the leading bits of the Mersenne Twister.
Mask of_twister(const CallState& call) {
  if (call.p != kFair) return clean_mask(call);
  std::mt19937 generator(static_cast<std::uint32_t>(clean_key(call)));
  Mask mask = kept_mask(call);
  for (std::uint8_t& keep : mask.kept) keep = generator() >> 31 ? 1 : 0;
  return mask;
}

/// At p = 1/2, 32 entries at a time are one of 2^bits words.
Mask of_few_words(const CallState& call, unsigned bits) {
  if (call.p != kFair) return clean_mask(call);
  const std::uint64_t key = clean_key(call);
  Mask mask = kept_mask(call);
  for (std::uint64_t i = 0; i < mask.kept.size(); ++i)
    mask.kept[i] = mix(word_of(key, i / 32) >> (64 - bits)) >> (i % 32) & 1;
  return mask;
}

/// Drops that would come `distance` after the drop before them are left out with the given probability.
Mask without_gap(const CallState& call, double probability, std::uint64_t distance) {
  Mask mask = clean_mask(call);
  const std::uint64_t key = clean_key(call);
  std::uint64_t last = mask.kept.size();  // none yet
  for (std::uint64_t i = 0; i < mask.kept.size(); ++i) {
    if (mask.kept[i] != 0) continue;
    if (i == last + distance && happens(probability, other_word(key, i))) mask.kept[i] = 1;
    else last = i;
  }
  return mask;
}

/// After `longest` keeps in a row the next entry is dropped.
Mask without_long_runs(const CallState& call, std::uint64_t longest) {
  Mask mask = clean_mask(call);
  std::uint64_t run = 0;
  for (std::uint8_t& keep : mask.kept) {
    if (run == longest) keep = 0;
    run = keep != 0 ? run + 1 : 0;
  }
  return mask;
}

/// With the given probability an entry takes a draw that all channels have in common.
Mask with_common_factor(const CallState& call, double probability) {
  if (call.shape.size() < 3 || drops_channels(call.op)) return clean_mask(call);
  std::uint64_t inner = 1;
  for (std::size_t axis = 2; axis < call.shape.size(); ++axis)
    inner *= static_cast<std::uint64_t>(call.shape[axis]);
  const std::uint64_t sample = inner * static_cast<std::uint64_t>(call.shape[1]);
  return mask_from(call, [=, key = clean_key(call)](std::uint64_t i) {
    const bool common = happens(probability, other_word(key, i));
    return common ? word_of(mix(key), i / sample * inner + i % inner) : word_of(key, i);
  });
}

}  // namespace

DrawsBackend::DrawsBackend(const std::string& id, Fault fault, double strength)
    : PlainBackend(id, fault), fault_(fault), strength_(strength) {}

Mask DrawsBackend::drawn_mask(const CallState& state) {
  const std::uint64_t key = clean_key(state);
  const auto whole = static_cast<std::uint64_t>(strength_);  // of strengths that count something
  switch (fault_) {
    case Fault::lanes_shared:
      return mask_from(state, [=](std::uint64_t i) { return word_of(key, i / whole); });
    case Fault::shared_along_axis: return shared_along_axis(state, whole);
    case Fault::words_shifted_by_bits: return shifted_by_bits(state);
    case Fault::lanes_of_short_lcg: return lanes_of_short_lcg(state);
    case Fault::tiled: return mask_from(state, [=](std::uint64_t i) { return word_of(key, i % whole); });
    case Fault::exact_count: return exact_counts(state, whole);
    case Fault::stratified: return stratified(state);
    case Fault::mcg31_few_seeds: return of_mcg31(state, 17 + word_of(key, 0) % 4096);
    case Fault::mcg31_windows: return of_mcg31(state, 1 + word_of(key, 0) % (Mcg31::kModulus - 1));
    case Fault::blocks_reseeded: return of_reseeded_blocks(state);
    case Fault::first_key_of_batch: return of_first_key(state);
    case Fault::few_row_seeds: return of_row_seeds(state, whole);
    case Fault::lcg_low_byte: return of_low_bytes(state);
    case Fault::copies_neighbour: return copying(state, strength_, 1);
    case Fault::copies_over_seams: return copying(state, strength_, 256);
    case Fault::drifts: return drifting(state, strength_);
    case Fault::call_rates: return of_call_rates(state, strength_);
    case Fault::stretch_rates: return of_stretch_rates(state, strength_);
    case Fault::period_of_100: return of_period(state, strength_, 100);
    case Fault::even_groups: return of_even_groups(state, strength_);
    case Fault::register_of_31: return of_register(state, 28, 31);
    case Fault::register_of_55: return of_register(state, 24, 55);
    case Fault::twister_bit: return of_twister(state);
    case Fault::few_words: return of_few_words(state, static_cast<unsigned>(whole));
    case Fault::gap_avoided: return without_gap(state, strength_, 11);
    case Fault::runs_cut: return without_long_runs(state, whole);
    case Fault::common_factor: return with_common_factor(state, strength_);
    default: return PlainBackend::drawn_mask(state);
  }
}

}  // namespace dropcheck::mutants
