#pragma once
// How words become a mask, for the backends that choose their words by themselves.

#include <cmath>
#include <cstdint>

#include "impl/mutants/call_state.hpp"
#include "impl/mutants/generator.hpp"
#include "impl/mutants/mask.hpp"

namespace dropcheck::mutants {

/// A word drops where its leading bits, read as a number in [0, 1), lie below p: below ceil(p 2^bits).
class DrawRule {
 public:
  explicit DrawRule(double p, unsigned bits = 53)
      : shift_(64 - bits),
        threshold_(static_cast<std::uint64_t>(std::ceil(std::ldexp(p, static_cast<int>(bits))))) {}
  /// 1 where the word keeps its entry, else 0.
  std::uint8_t keep(std::uint64_t word) const { return (word >> shift_) >= threshold_ ? 1 : 0; }

 private:
  unsigned shift_;
  std::uint64_t threshold_;
};

/// A number in [0, 1) from the leading 53 bits.
inline double unit_interval(std::uint64_t word) { return std::ldexp(static_cast<double>(word >> 11), -53); }

/// The key that a clean call draws with.
inline std::uint64_t clean_key(const CallState& call) {
  return key_of(call.seed, call.source == Source::entries ? 0 : call.number, kForwardUse);
}

/// A mask of the right size in which everything is kept.
inline Mask kept_mask(const CallState& call) {
  const std::int64_t entries = entries_of(call.op, call.shape);
  std::int64_t elements = 1;
  for (const std::int64_t extent : call.shape) elements *= extent;
  return {std::vector<std::uint8_t>(static_cast<std::size_t>(entries), 1), elements / entries};
}

/// Entry i of the mask takes word_at(i).
template <typename WordAt>
Mask mask_from(const CallState& call, WordAt&& word_at) {
  const DrawRule rule(call.p);
  Mask mask = kept_mask(call);
  for (std::uint64_t i = 0; i < mask.kept.size(); ++i) mask.kept[i] = rule.keep(word_at(i));
  return mask;
}

}  // namespace dropcheck::mutants
