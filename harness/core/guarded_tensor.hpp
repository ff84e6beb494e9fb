#pragma once
// A tensor in memory that is poisoned before a call and guarded around it: an element that was never written,
// or a byte outside the tensor that was, is found afterwards.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "harness/core/memory.hpp"
#include "harness/core/tensor.hpp"

namespace dropcheck {

// All bits set is a NaN in every floating dtype whose payload no arithmetic produces, and no boolean.
inline constexpr std::byte kPoison{0xFF};
inline constexpr std::byte kGuard{0xCA};
inline constexpr std::size_t kGuardBytes = 256;  // before and after; at least, since memory comes in pages

class GuardedTensor {
 public:
  /// Bytes that `memory` must have for this problem's tensor.
  static std::size_t bytes_needed(const Problem& problem, bool is_output, std::uint32_t elements_past = 0);

  /// Lays the tensor out at the beginning of `memory`, which it then owns, and sets the guards. The memory
  /// may be larger; the rest of it is not looked at. The tensor begins `elements_past` elements behind where
  /// its layout has it, which the guard before it fills.
  GuardedTensor(std::unique_ptr<Memory> memory, const Problem& problem, bool is_output,
                std::uint32_t elements_past = 0);

  const TensorView& view() const { return view_; }
  Memory& memory() { return *memory_; }
  /// Gives the memory up for another tensor.
  std::unique_ptr<Memory> take_memory() && { return std::move(memory_); }
  /// Bytes from the start of the memory to the first element.
  std::size_t byte_offset() const { return static_cast<std::size_t>(view_.data - memory_->data()); }

  /// Overwrites all elements and the gaps between them.
  void poison();
  /// What a backend did wrong to this memory since the last poison(), as one sentence that begins with
  /// `name`; absent when nothing. With expect_written every element must differ from the poison.
  std::optional<std::string> fault(std::string_view name, bool expect_written) const;

 private:
  std::unique_ptr<Memory> memory_;
  TensorView view_;
  std::byte* body_;          // first byte that may lie in the tensor
  std::size_t body_bytes_;   // elements and the gaps between them
  std::size_t bytes_after_;  // of the guard behind them
  bool has_gaps_;
};

}  // namespace dropcheck
