#include "harness/core/guarded_tensor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace dropcheck {
namespace {

/// Bytes of the range that differ from the expected one.
std::size_t count_other(const std::byte* begin, std::size_t size, std::byte expected) {
  return size - static_cast<std::size_t>(std::count(begin, begin + size, expected));
}

/// Elements that still hold the poison, in logical order.
template <typename Word>
std::size_t count_poison(const TensorView& view) {
  const std::int64_t row = view.shape.empty() ? 1 : view.shape.back();
  const std::int64_t step = view.strides.empty() ? 1 : view.strides.back();
  std::size_t found = 0;
  for_each_row(view, [&](const std::byte* at) {
    for (std::int64_t i = 0; i < row; ++i) {
      Word word;
      std::memcpy(&word, at + i * step * static_cast<std::int64_t>(sizeof(Word)), sizeof word);
      found += word == static_cast<Word>(~Word{0}) ? 1u : 0u;
    }
  });
  return found;
}

std::size_t count_unwritten(const TensorView& view) {
  switch (view.element_size()) {
    case 2: return count_poison<std::uint16_t>(view);
    case 4: return count_poison<std::uint32_t>(view);
    case 8: return count_poison<std::uint64_t>(view);
    default: return count_poison<std::uint8_t>(view);
  }
}

std::size_t body_bytes_of(const Problem& problem, const TensorGeometry& g) {
  return static_cast<std::size_t>(g.span) * size_of(problem.dtype);
}

}  // namespace

std::size_t GuardedTensor::bytes_needed(const Problem& problem, bool is_output) {
  const TensorGeometry g = geometry_of(problem, is_output);
  return 2 * kGuardBytes + body_bytes_of(problem, g) +
         static_cast<std::size_t>(g.first) * size_of(problem.dtype);
}

GuardedTensor::GuardedTensor(std::unique_ptr<Memory> memory, const Problem& problem, bool is_output)
    : memory_(std::move(memory)) {
  DROPCHECK_CHECK(memory_ != nullptr && memory_->size() >= bytes_needed(problem, is_output));
  const TensorGeometry g = geometry_of(problem, is_output);
  std::memset(memory_->data(), std::to_integer<int>(kGuard), memory_->size());
  body_ = memory_->data() + kGuardBytes + static_cast<std::size_t>(g.first) * size_of(problem.dtype);
  body_bytes_ = body_bytes_of(problem, g);
  view_ = {body_, problem.dtype, problem.shape, g.strides};
  has_gaps_ = g.span > element_count(problem.shape);
  poison();
}

void GuardedTensor::poison() {
  if (body_bytes_ > 0) std::memset(body_, std::to_integer<int>(kPoison), body_bytes_);
}

std::optional<std::string> GuardedTensor::fault(std::string_view name, bool expect_written) const {
  const std::byte* begin = memory_->data();
  const auto before = static_cast<std::size_t>(body_ - begin);
  const std::size_t after = memory_->size() - before - body_bytes_;
  std::size_t outside = count_other(begin, before, kGuard) + count_other(body_ + body_bytes_, after, kGuard);
  if (has_gaps_) {
    std::vector<bool> inside(body_bytes_, false);
    const auto size = view_.element_size();
    const std::int64_t row = view_.shape.empty() ? 1 : view_.shape.back();
    const std::int64_t step = view_.strides.empty() ? 1 : view_.strides.back();
    for_each_row(view_, [&](const std::byte* at) {
      for (std::int64_t i = 0; i < row; ++i) {
        const auto first = static_cast<std::size_t>(at - body_) + static_cast<std::size_t>(i * step) * size;
        std::fill_n(inside.begin() + static_cast<std::ptrdiff_t>(first), size, true);
      }
    });
    for (std::size_t i = 0; i < body_bytes_; ++i) outside += !inside[i] && body_[i] != kPoison ? 1u : 0u;
  }
  if (outside > 0)
    return fmt::format("{}: {} bytes outside the tensor were overwritten; the backend writes past its bounds",
                       name, outside);
  if (!expect_written || body_bytes_ == 0) return std::nullopt;
  const std::size_t unwritten = count_unwritten(view_);
  if (unwritten > 0) {
    return fmt::format(
        "{}: {} of {} elements were never written; the backend leaves old memory in its result", name,
        unwritten, view_.count());
  }
  return std::nullopt;
}

}  // namespace dropcheck
