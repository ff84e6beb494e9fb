#pragma once
// Sums of integer weights over kept entries: U = sum w_i (k_i - q), with k_i = 1 for a kept entry, has mean 0
// and variance p q sum w_i^2. What the checks of outputs (S25) and of gradients (S28) have in common.

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "harness/core/check.hpp"

namespace dropcheck::suites {

/// The inputs of a mask sample, by block modulo their number (mask_input).
inline constexpr std::array<std::string_view, 4> kWeightKinds = {"random", "alternating", "ramp", "spikes"};

/// Exact sums for one kind of weight.
struct KeptWeights {
  Int128 kept = 0;      // sum of w over kept entries
  Int128 all = 0;       // sum of w
  Int128 squares = 0;   // sum of w^2
  Int128 absolute = 0;  // sum of |w|
  std::int64_t largest = 0;
  std::uint64_t entries = 0;

  /// An entry of that weight; `kept` is the caller's to add where it is kept.
  void add_weight(std::int64_t w) {
    const std::int64_t magnitude = w < 0 ? -w : w;
    all += w;
    squares += static_cast<Int128>(w) * w;
    absolute += magnitude;
    largest = std::max(largest, magnitude);
    ++entries;
  }
  void add(const KeptWeights& other);
};

/// The statistic with Bernstein's bound (1946) for its p-value, valid at every n; its effect is a part of q
/// times the sum of |w|, in that unit.
Statistic kept_weights_statistic(std::string id, std::string name, const std::string& unit,
                                 const KeptWeights& sums, const JudgeContext& context);

/// What one hypothesis on n entries of equal weight detects.
MinimumDetectableEffect kept_weights_detectable(std::uint64_t n, double p, double alpha, double beta,
                                                const std::string& unit);

/// For the message of a failure.
std::string kept_weights_finding(const Statistic& statistic);

}  // namespace dropcheck::suites
