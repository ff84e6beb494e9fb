#pragma once
// What one forward call did: all that its mask, its values and its backward pass depend on.

#include <cstdint>
#include <vector>

#include "harness/core/vocabulary.hpp"

namespace dropcheck::mutants {

enum class Action : std::uint8_t { copy, zero, drop };

/// Where random words come from.
enum class Source : std::uint8_t {
  splitmix,
  philox,  // as the document of dropcheck-philox says
  /// One stream of words after a seed, a word an entry, that every call goes on with: a call's number is that
  /// of its first word.
  entries,
};

/// The calls that draw, counted since the last seed.
struct DrawCounter {
  std::uint64_t seed = 0;
  std::uint64_t next = 0;
};

struct CallState {
  Op op;
  double p;
  DType dtype;
  std::vector<std::int64_t> shape;
  std::uint32_t threads;
  Action action;
  std::uint64_t seed;
  std::uint64_t number;  // of the drawing call since the seed
  Source source = Source::splitmix;
  std::uint64_t note = 0;  // of a fault that goes by more than the above, for its own use
};

}  // namespace dropcheck::mutants
