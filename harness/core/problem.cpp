#include "harness/core/problem.hpp"

#include <fmt/format.h>

#include <cmath>

namespace dropcheck {
namespace {

Error wrong(std::string message) { return Error{ErrorCode::invalid_argument, std::move(message)}; }

}  // namespace

std::int64_t element_count(std::span<const std::int64_t> shape) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  return count;
}

std::int64_t mask_count(const Problem& problem) {
  if (!drops_channels(problem.op)) return element_count(problem.shape);
  std::int64_t count = 1;
  for (std::size_t d = 0; d < problem.shape.size() && d < 2; ++d) count *= problem.shape[d];
  return count;
}

Status validate(const Problem& problem) {
  if (!(problem.p >= 0.0 && problem.p <= 1.0))
    return wrong(fmt::format("p={} is not a drop probability: write a number from 0 to 1", problem.p));
  const std::size_t rank = problem.shape.size();
  if (rank > kMaxRank) return wrong(fmt::format("shape has {} dimensions: write at most {}", rank, kMaxRank));
  std::int64_t bytes = static_cast<std::int64_t>(size_of(problem.dtype));
  bool empty = false;
  for (const std::int64_t extent : problem.shape) {
    if (extent < 0) return wrong(fmt::format("shape has the extent {}: write 0 or more", extent));
    if (extent == 0) empty = true;
    else if (__builtin_mul_overflow(bytes, extent, &bytes) || bytes > kMaxBytes)
      return wrong(
          fmt::format("shape needs more than {} GiB for one tensor: write a smaller shape", kMaxBytes >> 30));
  }
  const RankRange ranks = ranks_of(problem.op);
  if (!empty && (rank < ranks.smallest || rank > ranks.largest))
    return wrong(ranks.smallest == ranks.largest
                     ? fmt::format("{} takes a shape of {} dimensions, not {}", to_string(problem.op),
                                   ranks.smallest, rank)
                     : fmt::format("{} takes a shape of {} to {} dimensions, not {}", to_string(problem.op),
                                   ranks.smallest, ranks.largest, rank));
  const auto needs_rank = [&](bool fits, std::string_view what) -> Status {
    if (fits) return Done{};
    return wrong(fmt::format("layout={} needs a shape of {}", to_string(problem.layout), what));
  };
  Status layout_fits = [&]() -> Status {
    switch (problem.layout) {
      case Layout::channels_last: return needs_rank(rank == 4, "4 dimensions");
      case Layout::channels_last_3d: return needs_rank(rank == 5, "5 dimensions");
      case Layout::transposed: return needs_rank(rank >= 2, "2 dimensions or more");
      case Layout::strided:
        if (bytes > kMaxBytes / 2)
          return wrong("shape is too large for layout=strided: write a smaller shape");
        return needs_rank(rank >= 1, "1 dimension or more");
      case Layout::expanded:
        if (problem.in_place)
          return wrong("inplace=true cannot go with layout=expanded: its elements share memory");
        return needs_rank(rank >= 1, "1 dimension or more");
      case Layout::contiguous:
      case Layout::shifted: break;
    }
    return Done{};
  }();
  if (!layout_fits) return layout_fits;
  if (problem.calls && (*problem.calls == 0 || *problem.calls > kMaxCalls))
    return wrong(fmt::format("calls={} is out of range: write 1 to {}", *problem.calls, kMaxCalls));
  if (problem.threads > kMaxThreads)
    return wrong(fmt::format("threads={} is out of range: write 0 to {}", problem.threads, kMaxThreads));
  return Done{};
}

}  // namespace dropcheck
