#pragma once
// Whatever turns a mask into a p-value, as calibration sees it: a statistic of a check, or a decision rule
// from elsewhere.

#include <cstdint>
#include <string>
#include <string_view>

#include "harness/core/mask_bits.hpp"

namespace dropcheck::suites::calibration {

struct ObservedPValue {
  double p_value = 1;
  std::string engine;
};

class PValueUnderTest {
 public:
  virtual ~PValueUnderTest() = default;
  virtual std::string name() const = 0;
  /// The p-value of a mask; `key` is fresh for every mask and keys whatever else the test draws. Called from
  /// several threads at once.
  virtual ObservedPValue p_value(const MaskBits& mask, std::uint64_t key) const = 0;
};

/// Why P(p-value <= level) may be far below the level with this engine: it proves a bound, or counts are
/// discrete. Null when its p-values should be uniform.
const char* why_bound(std::string_view engine);

}  // namespace dropcheck::suites::calibration
