#pragma once
// A plain correct dropout that carries at most one fault. It shares nothing with the other implementations,
// so a mutant is caught for its fault and not for the company it keeps.

#include <map>
#include <string>

#include "harness/core/backend.hpp"
#include "impl/mutants/call_state.hpp"
#include "impl/mutants/fault.hpp"
#include "impl/mutants/mask.hpp"

namespace dropcheck::mutants {

class PlainBackend : public Backend {
 public:
  /// With Source::philox it claims the stream dropcheck-philox.
  PlainBackend(const std::string& id, Fault fault, Source source = Source::splitmix);

  const Capabilities& capabilities() const override { return capabilities_; }
  Expected<Observation> forward(const Call& call) override;
  Expected<Observation> backward(const BackwardCall& call) override;
  void release(SavedToken saved) override { open_calls_.erase(saved.id); }
  /// Seed and number of the next draw.
  Expected<std::vector<std::byte>> save_state() override;
  Status load_state(std::span<const std::byte> state) override;

  /// Its stream, so that a layer with dropout inside can draw from the same one.
  DrawCounter& draws() { return draws_; }

 protected:
  /// Looks at a call before it acts, and may change what it will do.
  virtual void prepare(const Call& /*call*/, CallState& /*state*/) {}
  /// The mask of a call that draws, which both passes take.
  virtual Mask drawn_mask(const CallState& state);
  /// The mask of the backward pass of a call that drew, and with `second` of the gradient of that gradient.
  virtual Mask backward_mask(const CallState& state, bool second);

 private:
  Capabilities capabilities_;
  Fault fault_;
  Source source_;
  DrawCounter draws_;
  std::uint64_t last_token_ = 0;
  std::map<std::uint64_t, CallState> open_calls_;
};

}  // namespace dropcheck::mutants
