#pragma once
// The plain base with the faults of what is read and written: values at the edges, layouts taken for dense,
// inputs overwritten, masks returned wrongly, elements and bytes that are written or left where they should
// not be. Wrong factors are in law.cpp.

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "impl/mutants/plain_backend.hpp"

namespace dropcheck::mutants {

class ValueBackend final : public PlainBackend {
 public:
  ValueBackend(const std::string& id, Fault fault);

  Expected<Observation> forward(const Call& call) override;
  Expected<Observation> backward(const BackwardCall& call) override;
  void release(SavedToken saved) override;

 protected:
  Mask drawn_mask(const CallState& state) override;

 private:
  Fault fault_;
  std::set<std::uint64_t> saved_at_one_;           // tokens of calls with p = 1
  std::map<std::uint64_t, double> saved_in_eval_;  // p of calls in eval mode, by token
};

}  // namespace dropcheck::mutants
