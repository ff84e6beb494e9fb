#pragma once
// What the streaming checks have in common: they read the mask entries of a record (elements, or channels for
// operators that drop channels) and merge with observers of their own type.

#include <cmath>
#include <utility>

#include "harness/core/check.hpp"

namespace dropcheck::suites {

/// Observer whose merge is Derived::add(const Derived&).
template <typename Derived>
class MergingObserver : public Observer {
 public:
  void merge(const Observer& later) final {
    static_cast<Derived&>(*this).add(static_cast<const Derived&>(later));
  }
};

/// Drop bits of the mask entries of a record; `scratch` keeps channel bits alive. The record must show its
/// mask.
inline const MaskBits& mask_entries(const StepRecord& record, MaskBits& scratch) {
  DROPCHECK_CHECK(record.dropped != nullptr);
  if (!drops_channels(record.step->problem.op)) return *record.dropped;
  if (record.channels != nullptr) return record.channels->bits;
  scratch = channel_bits(*record.dropped, record.step->problem.shape).bits;
  return scratch;
}

/// Calls `visit(index)` for every dropped entry.
template <typename Visit>
void for_each_drop(const MaskBits& bits, Visit&& visit) {
  const auto words = bits.words();
  for (std::size_t w = 0; w < words.size(); ++w)
    for (std::uint64_t word = words[w]; word != 0; word &= word - 1)
      visit(w * 64 + static_cast<std::uint64_t>(__builtin_ctzll(word)));
}

/// Integers as a report carries them.
template <typename Range>
std::vector<Int128> integers(const Range& range) {
  return {range.begin(), range.end()};
}

/// Fewer expected drops or keeps than this carry no information on their arrangement: only the rate is
/// tested.
inline constexpr double kMinimumVariance = 1000;

/// Level of one hypothesis that statistics without exact tails are planned for: they are left out where their
/// engine cannot reach it.
inline constexpr double kPlannedLevel = 1e-10;

/// n p q of a sample's mask entries.
inline double mask_variance(const SampleInfo& sample) {
  const double p = sample.problem.p;
  return static_cast<double>(sample.mask_entries()) * p * (1 - p);
}

/// Where p q is smaller, only the rate is tested: the arrangement of so few drops says nothing that a profile
/// could ask for.
inline constexpr double kSmallestEntryVariance = 1e-4;

inline Applicability needs_arrangement(const SampleInfo& sample) {
  if (sample.problem.p * (1 - sample.problem.p) < kSmallestEntryVariance)
    return Applicability::rule_fails("p q is below 1e-4: only the rate is tested");
  if (mask_variance(sample) >= kMinimumVariance) return Applicability::yes();
  return Applicability::rule_fails(
      "n p q of the planned mask entries is below 1000: only the rate is tested");
}

}  // namespace dropcheck::suites
