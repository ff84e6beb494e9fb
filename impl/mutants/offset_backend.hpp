#pragma once
// The plain bases with the faults of offsets, counters and streams: where a call begins to draw, how far it
// moves on, and which state it begins from.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "impl/mutants/seeded_backend.hpp"

namespace dropcheck::mutants {

class OffsetBackend final : public SeededBackend {
 public:
  /// `strength` is in the unit that the mutant's mechanism names. With Source::entries only faults that sit
  /// in the mask of a call can be played.
  OffsetBackend(const std::string& id, Fault fault, double strength, Source source, std::uint32_t rank);
  ~OffsetBackend() override;
  OffsetBackend(const OffsetBackend&) = delete;
  OffsetBackend& operator=(const OffsetBackend&) = delete;

  Expected<Observation> forward(const Call& call) override;
  Expected<Observation> backward(const BackwardCall& call) override;
  Status load_state(std::span<const std::byte> state) override;

 protected:
  Mask drawn_mask(const CallState& state) override;
  Mask backward_mask(const CallState& state, bool second) override;

 private:
  void begin_stream(std::uint64_t seed);
  /// Where a call begins to draw.
  DrawCounter place_of(const Call& call, bool seeded);
  /// How far the counter moves after a call that drew.
  std::uint64_t advance_of(const Call& call) const;
  void move_on(const Call& call, const DrawCounter& before, bool drew);
  /// Which state beside the seeded one serves tensors of the call's number of dimensions; absent: none does.
  std::optional<std::size_t> handle_of(const Call& call) const;

  Fault fault_;
  double strength_;
  Source source_;
  std::uint32_t rank_;
  std::map<std::size_t, DrawCounter> aside_{};      // states beside the seeded one, by handle_of
  std::optional<std::size_t> seeded_dimensions_{};  // of the first tensor after a seed
  std::map<Op, std::uint64_t> next_of_op_{};
  std::optional<Op> last_op_{};
  std::optional<DType> last_dtype_{};
  std::uint64_t last_number_ = 0;       // of the latest call that drew
  std::array<DrawCounter, 2> slots_{};  // where saved calls drew from
  std::uint64_t in_backward_ = 0;       // token of the call whose gradient is asked for
};

}  // namespace dropcheck::mutants
