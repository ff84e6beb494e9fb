#pragma once
// PyTorch's operators on the CPU to the letter, in two releases: dtypes that are refused and what they draw
// before that, native_dropout's masks, strides, the order of drawing. No gradients and no layers.

#include "harness/core/backend.hpp"
#include "reference/pytorch_cpu_stream.hpp"

namespace dropcheck::suites::testing {

class CpuModel final : public Backend {
 public:
  /// "1.13.1" or "2.13.0".
  explicit CpuModel(const std::string& version);
  const Capabilities& capabilities() const override { return claims; }
  Expected<Observation> forward(const Call& call) override;
  Expected<Observation> backward(const BackwardCall& call) override;
  void release(SavedToken) override {}

  Capabilities claims;
  reference::PyTorchCpuStream stream{0};  // for defects that draw

 private:
  std::optional<Error> refusal_before_drawing(const Call& call, bool zeroes) const;
  std::optional<Error> refusal_after_drawing(const Call& call, bool zeroes) const;
  /// One entry an element, 1 = dropped.
  std::vector<bool> draw(const Call& call);
  double kept(const Call& call, double x) const;
  Observation seen_of(const Call& call, bool copies) const;

  bool is_new_;
};

}  // namespace dropcheck::suites::testing
