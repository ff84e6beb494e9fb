#pragma once
// The plain base with the faults of which mask entry takes which draw, and of when one is drawn at all.

#include <cstdint>
#include <string>

#include "impl/mutants/plain_backend.hpp"

namespace dropcheck::mutants {

class PositionBackend final : public PlainBackend {
 public:
  /// `strength` is the part of shared bytes that Fault::packed_update_lost spoils; the others do not look at
  /// it.
  PositionBackend(const std::string& id, Fault fault, Source source, double strength);

 protected:
  void prepare(const Call& call, CallState& state) override;
  Mask drawn_mask(const CallState& state) override;

 private:
  Fault fault_;
  double strength_;
  bool stays_off_ = false;     // an eval call has set p to 0
  std::uint64_t variate_ = 0;  // drawn and not yet used; 0: there is none
};

}  // namespace dropcheck::mutants
