#include "harness/core/guarded_tensor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "harness/core/integer.hpp"
#include "harness/core/pack.hpp"

namespace dropcheck {
namespace {

/// Bytes of the range that differ from the expected one.
std::size_t count_other(const std::byte* begin, std::size_t size, std::byte expected) {
  if (size == 0) return 0;
  // A range equals itself shifted by one exactly when all bytes are equal; this is the fast and usual case.
  if (begin[0] == expected && std::memcmp(begin, begin + 1, size - 1) == 0) return 0;
  return size - static_cast<std::size_t>(std::count(begin, begin + size, expected));
}

/// Elements of a row, `step` apart, that still hold the poison.
template <typename Word>
std::size_t count_poison(const std::byte* at, std::int64_t count, std::int64_t step) {
  constexpr Word kUnwritten = static_cast<Word>(~Word{0});
  std::size_t found = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    Word word;
    std::memcpy(&word, at + i * step * static_cast<std::int64_t>(sizeof(Word)), sizeof word);
    found += word == kUnwritten ? 1u : 0u;
  }
  return found;
}

std::size_t count_poison(const std::byte* at, std::int64_t count, std::int64_t step, std::size_t element) {
  switch (element) {
    case 2: return count_poison<std::uint16_t>(at, count, step);
    case 4: return count_poison<std::uint32_t>(at, count, step);
    case 8: return count_poison<std::uint64_t>(at, count, step);
    case 16: return count_poison<UInt128>(at, count, step);
    default: return count_poison<std::uint8_t>(at, count, step);
  }
}

std::size_t count_dense_poison(const std::byte* at, std::int64_t count, std::size_t element) {
  if (!any_all_ones(at, static_cast<std::uint64_t>(count), element)) return 0;  // the usual case
  return count_poison(at, count, 1, element);
}

/// Elements of the tensor that still hold the poison.
std::size_t count_unwritten(const TensorView& view) {
  const std::size_t element = view.element_size();
  if (view.is_contiguous()) return count_dense_poison(view.data, view.count(), element);
  std::size_t found = 0;
  for_each_row(view, [&](const std::byte* at) {
    found += count_poison(at, view.shape.back(), view.strides.back(), element);
  });
  return found;
}

std::size_t body_bytes_of(const Problem& problem, const TensorGeometry& g) {
  return static_cast<std::size_t>(g.span) * size_of(problem.dtype);
}

/// Bytes from an aligned address to the first element.
std::size_t bytes_before(const Problem& problem, const TensorGeometry& g, std::uint32_t elements_past) {
  return (static_cast<std::size_t>(g.first) + elements_past) * size_of(problem.dtype);
}

}  // namespace

std::size_t GuardedTensor::bytes_needed(const Problem& problem, bool is_output, std::uint32_t elements_past) {
  const TensorGeometry g = geometry_of(problem, is_output);
  return 2 * kGuardBytes + body_bytes_of(problem, g) + bytes_before(problem, g, elements_past);
}

GuardedTensor::GuardedTensor(std::unique_ptr<Memory> memory, const Problem& problem, bool is_output,
                             std::uint32_t elements_past)
    : memory_(std::move(memory)) {
  DROPCHECK_CHECK(memory_ != nullptr && memory_->size() >= bytes_needed(problem, is_output, elements_past));
  const TensorGeometry g = geometry_of(problem, is_output);
  body_ = memory_->data() + kGuardBytes + bytes_before(problem, g, elements_past);
  body_bytes_ = body_bytes_of(problem, g);
  bytes_after_ = std::min(memory_->size() - static_cast<std::size_t>(body_ - memory_->data()) - body_bytes_,
                          kGuardBytes + kMemoryAlignment);
  view_ = {body_, problem.dtype, problem.shape, g.strides};
  has_gaps_ = g.span > element_count(problem.shape);
  poison();
}

void GuardedTensor::poison() {
  // What one call overwrote must not be held against the next.
  std::fill(memory_->data(), body_, kGuard);
  std::fill_n(body_ + body_bytes_, bytes_after_, kGuard);
  if (body_bytes_ > 0) std::memset(body_, std::to_integer<int>(kPoison), body_bytes_);
}

std::optional<std::string> GuardedTensor::fault(std::string_view name, bool expect_written) const {
  const std::byte* begin = memory_->data();
  const auto before = static_cast<std::size_t>(body_ - begin);
  std::size_t outside =
      count_other(begin, before, kGuard) + count_other(body_ + body_bytes_, bytes_after_, kGuard);
  const bool counts = has_gaps_ || (expect_written && body_bytes_ > 0);
  const auto span = static_cast<std::int64_t>(body_bytes_ / view_.element_size());
  std::size_t unwritten = 0;
  if (counts)
    unwritten = span == view_.count() ? count_dense_poison(body_, span, view_.element_size())
                                      : count_unwritten(view_);
  if (has_gaps_) {  // gap elements that are poison no more
    const auto gaps = static_cast<std::size_t>(span - view_.count());
    outside +=
        (gaps - (count_poison(body_, span, 1, view_.element_size()) - unwritten)) * view_.element_size();
  }
  if (outside > 0)
    return fmt::format("{}: {} bytes outside the tensor were overwritten; the backend writes past its bounds",
                       name, outside);
  if (expect_written && unwritten > 0) {
    return fmt::format(
        "{}: {} of {} elements were never written; the backend leaves old memory in its result", name,
        unwritten, view_.count());
  }
  return std::nullopt;
}

}  // namespace dropcheck
