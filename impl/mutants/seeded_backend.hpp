#pragma once
// The plain base with everything that a seed, an offset, a rank or a replay does before a mask is drawn, and
// the faults that sit there.

#include <cstdint>
#include <optional>
#include <string>

#include "impl/mutants/plain_backend.hpp"

namespace dropcheck::mutants {

class SeededBackend : public PlainBackend {
 public:
  SeededBackend(const std::string& id, Fault fault, Source source, std::uint32_t rank);

  Expected<Observation> forward(const Call& call) override;

 protected:
  void prepare(const Call& call, CallState& state) override;
  Mask drawn_mask(const CallState& state) override;

 private:
  /// The seed that the call begins a stream with; absent: it goes on with the one that there is.
  std::optional<std::uint64_t> seed_of(const Call& call);

  Fault fault_;
  Source source_;
  std::uint32_t rank_;
  std::uint64_t own_number_;  // of the instance: another one every time
  bool has_been_seeded_ = false;
  std::optional<std::uint64_t> captured_at_{};  // where the first replayed call drew from
};

}  // namespace dropcheck::mutants
