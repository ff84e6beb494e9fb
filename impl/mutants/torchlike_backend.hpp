#pragma once
// A plain dropout that behaves like PyTorch 1.13.1 on a CPU, to the bit and to the letter, and carries at
// most one fault. It does what PyTorch's operators do in the order in which they do it.

#include <map>
#include <string>

#include "harness/core/backend.hpp"
#include "impl/mutants/fault.hpp"
#include "impl/mutants/law.hpp"
#include "impl/mutants/mask.hpp"
#include "impl/mutants/torchlike_stream.hpp"

namespace dropcheck::mutants {

class TorchlikeBackend : public Backend {
 public:
  TorchlikeBackend(const std::string& id, Fault fault);

  const Capabilities& capabilities() const override { return capabilities_; }
  Expected<Observation> forward(const Call& call) override;
  Expected<Observation> backward(const BackwardCall& call) override;
  void release(SavedToken saved) override { open_calls_.erase(saved.id); }

 private:
  /// What a backward call needs: PyTorch keeps the noise, too.
  struct OpenCall {
    std::vector<std::int64_t> shape;
    DType dtype;
    Action action;
    Law law;
    Mask mask;
  };

  Expected<Observation> run_operator(const Call& call);
  Expected<Observation> run_rnn(const Call& call);
  /// Fills `noise` for a call with 0 < p < 1.
  Status draw(const Call& call, Mask& noise);
  /// Writes the result of a call that is no identity: 0 or the law under the mask.
  void write_result(const Call& call, const OpenCall& now, const TensorView& y) const;

  Capabilities capabilities_;
  Fault fault_;
  TorchlikeStream stream_;
  std::uint64_t last_token_ = 0;
  std::map<std::uint64_t, OpenCall> open_calls_;
};

}  // namespace dropcheck::mutants
