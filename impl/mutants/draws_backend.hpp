#pragma once
// The plain base with the faults of draws within one mask: words that are used twice, depend on each other or
// come from a weak generator. A mask is a function of the call's seed and number, as that of the base is.

#include <string>

#include "impl/mutants/plain_backend.hpp"

namespace dropcheck::mutants {

class DrawsBackend final : public PlainBackend {
 public:
  /// `strength` is in the unit that the mutant's mechanism names.
  DrawsBackend(const std::string& id, Fault fault, double strength);

 protected:
  Mask drawn_mask(const CallState& state) override;

 private:
  Fault fault_;
  double strength_;
};

}  // namespace dropcheck::mutants
