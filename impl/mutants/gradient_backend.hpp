#pragma once
// The plain base with the faults of backward passes and of forward passes that are worked out again.

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "impl/mutants/plain_backend.hpp"

namespace dropcheck::mutants {

class GradientBackend final : public PlainBackend {
 public:
  GradientBackend(const std::string& id, Fault fault);

  Expected<Observation> forward(const Call& call) override;
  Expected<Observation> backward(const BackwardCall& call) override;
  void release(SavedToken saved) override;
  Status load_state(std::span<const std::byte> state) override;

 protected:
  Mask backward_mask(const CallState& state, bool second) override;

 private:
  Fault fault_;
  std::uint64_t asked_ = 0;         // numbers of the faults that draw by themselves
  std::deque<std::uint64_t> open_;  // tokens, oldest first
  std::uint64_t in_backward_ = 0;   // token of the backward call that is being answered
  std::map<std::uint64_t, std::vector<std::uint8_t>> not_zero_;  // of outputs, by token
};

}  // namespace dropcheck::mutants
