#pragma once
// The definition and the documented stream as a backend: slow, plain, and the yardstick for the harness
// itself. Beside the operators it has layers that contain dropout (reference/layers), forward only.

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "harness/core/backend.hpp"
#include "harness/core/registry.hpp"

namespace dropcheck::reference {

class ReferenceBackend : public Backend {
 public:
  ReferenceBackend();

  const Capabilities& capabilities() const override { return capabilities_; }
  Expected<Observation> forward(const Call& call) override;
  Expected<Observation> backward(const BackwardCall& call) override;
  void release(SavedToken saved) override { open_calls_.erase(saved.id); }
  /// Seed and number of the next drawing call.
  Expected<std::vector<std::byte>> save_state() override;
  Status load_state(std::span<const std::byte> state) override;

 private:
  /// The range of p, and where the stream stands when the call begins.
  Status begin(const Call& call);
  /// A call with attributes: a layer that contains dropout.
  Expected<Observation> forward_layer(const Call& call);

  /// What one call does to its tensor.
  enum class Action : std::uint8_t { copy, zero, drop };

  /// All that a backward pass needs; the mask is drawn again from seed and call number.
  struct OpenCall {
    Op op;
    double p;
    DType dtype;
    std::vector<std::int64_t> shape;
    Action action;
    std::uint64_t seed;
    std::uint64_t number;
  };

  Capabilities capabilities_;
  std::uint64_t seed_ = 0;
  std::uint64_t next_call_ = 0;
  std::uint64_t last_token_ = 0;
  std::map<std::uint64_t, OpenCall> open_calls_;
};

/// ReferenceBackend where the argument is empty, SimulatedCudaBackend where it names a stream pytorch-cuda.
/// Any other argument is refused with a sentence that says what may be written.
Expected<std::unique_ptr<Backend>> open_reference(const std::string& argument, const BackendOptions& options);

}  // namespace dropcheck::reference
