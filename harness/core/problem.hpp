#pragma once
// One case: what is asked of a backend. A value: ordered, comparable, hashed by its canonical descriptor.

#include <compare>
#include <cstdint>
#include <optional>
#include <vector>

#include "harness/core/expected.hpp"
#include "harness/core/vocabulary.hpp"

namespace dropcheck {

struct Problem {
  Op op = Op::dropout;
  double p = 0.5;  // drop probability
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;  // empty: rank 0, one element
  Layout layout = Layout::contiguous;
  Mode mode = Mode::train;
  bool in_place = false;
  std::optional<std::uint64_t> seed;   // of the first block; absent: the plan derives it
  std::uint64_t offset = 0;            // of the random stream, in the backend's own unit
  std::optional<std::uint32_t> calls;  // calls after each reseed; absent: the plan chooses
  std::uint32_t threads = 0;           // threads the backend may use inside a call; 0: its own default

  friend auto operator<=>(const Problem&, const Problem&) = default;
};

inline constexpr std::size_t kMaxRank = 8;
inline constexpr std::int64_t kMaxBytes = std::int64_t{1}
                                          << 36;  // of one tensor: larger ones are refused, not tried
inline constexpr std::uint32_t kMaxCalls = 1u << 20;
inline constexpr std::uint32_t kMaxThreads = 1024;

/// Number of elements; 1 for rank 0. The problem must be valid.
std::int64_t element_count(std::span<const std::int64_t> shape);
/// Number of mask entries: elements, or shape[0] * shape[1] for operators that drop channels (1 dimension
/// missing counts 1).
std::int64_t mask_count(const Problem& problem);

/// Checks p in [0, 1], rank, overflow and size of the tensor, that the operator has that rank and the layout
/// fits it.
Status validate(const Problem& problem);

}  // namespace dropcheck
