#pragma once
// The plain base with packed masks that need no byte an entry, so that calls of more than 2^31 elements are
// cheap; and the faults that show there only.

#include <cstdint>
#include <span>
#include <string>

#include "impl/mutants/plain_backend.hpp"

namespace dropcheck::mutants {

/// Writes the mask of one call packed: least significant bit first, 1 = kept, 0 past the last entry. `packed`
/// has ceil(entries / 8) bytes. Each entry is dropped with probability ceil(p 2^53) / 2^53, 0 < p < 1: 64 of
/// them at once compare the bits of their numbers with those of p, from the most significant on, until none
/// is undecided. `element_size` in bytes is what offsets in bytes count by.
void write_packed_mask(std::uint64_t key, double p, std::uint64_t entries, std::size_t element_size,
                       Fault fault, std::span<std::byte> packed);

class LargeBackend final : public PlainBackend {
 public:
  LargeBackend(const std::string& id, Fault fault);

  const Capabilities& capabilities() const override { return capabilities_; }
  /// Also takes a constant in place of x, and brings packed masks with or without an output.
  Expected<Observation> forward(const Call& call) override;

 protected:
  Mask drawn_mask(const CallState& state) override;

 private:
  Capabilities capabilities_;
  Fault fault_;
  Mask last_{{}, 1};  // that the latest call drew with its output
};

}  // namespace dropcheck::mutants
