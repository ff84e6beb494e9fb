#pragma once
// Drives one check's observers with masks that a test writes itself: blocks of calls, cut into chunks as a
// run cuts them. No backend, no executor.

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>

#include "harness/core/registry.hpp"

namespace dropcheck::suites::testing {

/// Fills one call's mask; `engine` is seeded by the block.
using FillMask =
    std::function<void(MaskBits& mask, std::mt19937_64& engine, std::uint64_t block, std::uint32_t call)>;

/// Every entry dropped with probability p, independently.
void fill_ideal(MaskBits& mask, std::mt19937_64& engine, double p);

/// fill_ideal for every call.
FillMask ideal(double p);

struct Stream {
  std::string descriptor;
  std::uint64_t blocks = 1;
  std::uint32_t calls = 1;
  std::uint64_t seed = 1;
  std::string protocol = "mask";
};

SampleInfo sample_of(const Stream& stream);

/// Observers of the blocks `from` to `until` - 1, merged in order.
std::unique_ptr<Observer> observe(const Check& check, const Stream& stream, const FillMask& fill,
                                  std::uint64_t from, std::uint64_t until);

/// Judges all blocks at level alpha of each hypothesis. Throws std::logic_error when the check does not
/// apply.
Judgement judge_stream(const Check& check, const Stream& stream, const FillMask& fill, double alpha = 1e-9,
                       std::optional<Focus> focus = std::nullopt);

/// The most rejections at level alpha among the hypotheses of `runs` ideal streams, and which.
struct FalseAlarms {
  std::string hypothesis;
  std::uint64_t rejections = 0;
  std::size_t hypotheses = 0;
};
FalseAlarms false_alarms(const Check& check, const Stream& stream, double alpha, std::uint64_t runs);

}  // namespace dropcheck::suites::testing
