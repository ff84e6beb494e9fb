#include "impl/cuda/walk.hpp"

#include <algorithm>

#include "impl/cuda/chunk.hpp"

namespace dropcheck::cuda {
namespace {

std::int64_t stride_of(std::span<const std::int64_t> strides, int d) {
  return strides.empty() ? 0 : strides[static_cast<std::size_t>(d)];
}

/// One step of the outer dimension `d` is as far as a whole turn of dimension `d + 1`.
bool continues(const Walk& walk, int d, const std::int64_t (&strides)[kMaxRank]) {
  return strides[d] == strides[d + 1] * walk.extent[d + 1];
}

void remove(Walk& walk, int d) {
  const auto shift = [&](std::int64_t(&list)[kMaxRank]) {
    std::copy(list + d + 1, list + walk.rank, list + d);
    list[walk.rank - 1] = 0;
  };
  shift(walk.extent);
  shift(walk.x);
  shift(walk.y);
  shift(walk.mask);
  --walk.rank;
}

bool aligned(const void* at) { return reinterpret_cast<std::uintptr_t>(at) % kChunkBytes == 0; }

}  // namespace

std::vector<int> memory_order(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides) {
  std::vector<int> places, sorted;
  for (std::size_t d = 0; d < shape.size(); ++d)
    if (shape[d] != 1) places.push_back(static_cast<int>(d));
  sorted = places;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](int a, int b) { return stride_of(strides, a) > stride_of(strides, b); });
  std::vector<int> order(shape.size());
  for (std::size_t d = 0; d < order.size(); ++d) order[d] = static_cast<int>(d);
  for (std::size_t k = 0; k < places.size(); ++k) order[static_cast<std::size_t>(places[k])] = sorted[k];
  return order;
}

bool is_dense(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides,
              std::span<const int> order) {
  std::int64_t step = 1;
  for (std::size_t k = order.size(); k-- > 0;) {
    const auto d = static_cast<std::size_t>(order[k]);
    if (shape[d] == 1) continue;
    if (strides[d] != step) return false;
    step *= shape[d];
  }
  return true;
}

Walk make_walk(std::span<const std::int64_t> shape, std::span<const int> order,
               std::span<const std::int64_t> x, std::span<const std::int64_t> y,
               std::span<const std::int64_t> mask) {
  Walk walk;
  for (const int d : order) {
    if (shape[static_cast<std::size_t>(d)] == 1) continue;
    walk.extent[walk.rank] = shape[static_cast<std::size_t>(d)];
    walk.x[walk.rank] = stride_of(x, d);
    walk.y[walk.rank] = stride_of(y, d);
    walk.mask[walk.rank] = stride_of(mask, d);
    ++walk.rank;
  }
  for (int d = walk.rank - 2; d >= 0; --d) {
    if (!continues(walk, d, walk.x) || !continues(walk, d, walk.y) || !continues(walk, d, walk.mask))
      continue;
    walk.extent[d + 1] *= walk.extent[d];
    remove(walk, d);
  }
  return walk;
}

void choose_body(Request& request) {
  const Task& task = request.task;
  const Walk& walk = task.walk;
  const bool dense = walk.rank == 0 || (walk.rank == 1 && walk.x[0] == 1 && walk.y[0] == 1);
  request.vector = task.x != nullptr && task.y != nullptr && task.mask == nullptr && dense &&
                   aligned(task.x) && aligned(task.y);
}

}  // namespace dropcheck::cuda
