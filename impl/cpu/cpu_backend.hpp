#pragma once
// Our own fast CPU implementation: vectorised Philox, threads inside a call, no arithmetic shared with
// whoever judges it.

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "harness/core/backend.hpp"
#include "harness/core/registry.hpp"
#include "impl/cpu/mask.hpp"

namespace dropcheck::cpu {

class CpuBackend : public Backend {
 public:
  CpuBackend();

  const Capabilities& capabilities() const override { return capabilities_; }
  Expected<Observation> forward(const Call& call) override;
  Expected<Observation> backward(const BackwardCall& call) override;
  void release(SavedToken saved) override { open_calls_.erase(saved.id); }
  /// Seed and number of the next drawing call.
  Expected<std::vector<std::byte>> save_state() override;
  Status load_state(std::span<const std::byte> state) override;

  enum class Action : std::uint8_t { copy, zero, drop };

  /// What a call did; the mask is drawn again in the backward pass instead of being kept.
  struct CallState {
    Op op;
    double p;
    DType dtype;
    std::vector<std::int64_t> shape;
    Action action;
    std::uint32_t threads;
    MaskStream stream;
  };

 private:
  Capabilities capabilities_;
  std::uint64_t seed_ = 0;
  std::uint64_t next_call_ = 0;
  std::uint64_t last_token_ = 0;
  std::map<std::uint64_t, CallState> open_calls_;
};

/// The argument must be empty: there is nothing to configure.
Expected<std::unique_ptr<Backend>> open_cpu(const std::string& argument, const BackendOptions& options);

}  // namespace dropcheck::cpu
