#pragma once
// The plain base with the faults of the comparison that drops an element: too few bits, the wrong side, a
// threshold or a random number of another type.

#include <string>

#include "impl/mutants/plain_backend.hpp"

namespace dropcheck::mutants {

class RateBackend final : public PlainBackend {
 public:
  /// `strength` is what Fault::rate_shifted adds to p; the others do not look at it.
  RateBackend(const std::string& id, Fault fault, Source source, double strength);

 protected:
  void prepare(const Call& call, CallState& state) override;
  Mask drawn_mask(const CallState& state) override;

 private:
  Fault fault_;
  double strength_;
};

}  // namespace dropcheck::mutants
