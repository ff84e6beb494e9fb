#pragma once
// A plain correct dropout that carries at most one fault. It shares nothing with the other implementations,
// so a mutant is caught for its fault and not for the company it keeps.

#include <map>
#include <string>

#include "harness/core/backend.hpp"
#include "impl/mutants/call_state.hpp"
#include "impl/mutants/fault.hpp"

namespace dropcheck::mutants {

class PlainBackend : public Backend {
 public:
  /// With Source::philox it claims the stream dropcheck-philox.
  PlainBackend(const std::string& id, Fault fault, Source source = Source::splitmix);

  const Capabilities& capabilities() const override { return capabilities_; }
  Expected<Observation> forward(const Call& call) override;
  Expected<Observation> backward(const BackwardCall& call) override;
  void release(SavedToken saved) override { open_calls_.erase(saved.id); }

 private:
  Capabilities capabilities_;
  Fault fault_;
  Source source_;
  std::uint64_t seed_ = 0;
  std::uint64_t next_call_ = 0;
  std::uint64_t last_token_ = 0;
  std::map<std::uint64_t, CallState> open_calls_;
};

}  // namespace dropcheck::mutants
