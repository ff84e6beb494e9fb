#pragma once
// PyTorch's dropout on a CUDA device, as its sources describe it: masks, values and gradients to the bit,
// computed without a GPU. Nothing here was compared with a GPU; it is a prediction that a run on one can
// confirm or refute.

#include <map>
#include <memory>
#include <string>

#include "harness/core/backend.hpp"
#include "reference/claimed_stream.hpp"

namespace dropcheck::reference {

class SimulatedCudaBackend final : public Backend {
 public:
  /// For the stream of that name, which must be a pytorch-cuda one.
  static Expected<std::unique_ptr<Backend>> open(const std::string& stream);

  const Capabilities& capabilities() const override { return capabilities_; }
  Expected<Observation> forward(const Call& call) override;
  Expected<Observation> backward(const BackwardCall& call) override;
  void release(SavedToken saved) override { open_calls_.erase(saved.id); }

 private:
  /// What one call does to its tensor.
  enum class Action : std::uint8_t {
    copy,
    times_zero,  // the operator at p = 1
    zeros,       // native_dropout at p = 1
    drop
  };

  /// All that a backward pass needs; the mask is drawn again from seed and offset.
  struct OpenCall {
    StreamCall asked;
    Action action = Action::copy;
    bool fused = false;
    std::uint64_t seed = 0;
    std::uint64_t offset = 0;
  };

  explicit SimulatedCudaBackend(std::unique_ptr<ClaimedStream> stream);
  Expected<MaskBits> mask_of(const OpenCall& call);

  Capabilities capabilities_;
  std::unique_ptr<ClaimedStream> stream_;
  std::uint64_t seed_ = 0;
  std::uint64_t offset_ = 0;
  std::uint64_t last_token_ = 0;
  std::map<std::uint64_t, OpenCall> open_calls_;
};

}  // namespace dropcheck::reference
