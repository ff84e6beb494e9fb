#pragma once
// The plain dropout together with the layers and networks that contain it (docs/attributes.md), with at most
// one fault. They all draw from one stream.

#include <string>

#include "harness/core/backend.hpp"
#include "impl/mutants/fault.hpp"
#include "impl/mutants/network/options.hpp"
#include "impl/mutants/network/sites.hpp"
#include "impl/mutants/plain_backend.hpp"

namespace dropcheck::mutants {

class NetworkBackend : public Backend {
 public:
  NetworkBackend(const std::string& id, Fault fault);

  const Capabilities& capabilities() const override { return capabilities_; }
  Expected<Observation> forward(const Call& call) override;
  Expected<Observation> backward(const BackwardCall& call) override { return plain_.backward(call); }
  void release(SavedToken saved) override { plain_.release(saved); }
  Expected<std::vector<std::byte>> save_state() override { return plain_.save_state(); }
  Status load_state(std::span<const std::byte> state) override { return plain_.load_state(state); }

 private:
  Expected<Observation> run_layer_call(const Call& call, const Options& options);
  Expected<Observation> run_module(const Call& call, const Options& options);
  /// Calls the operator on x into memory of its own, also where the call is in place.
  Status run_unseen(const Call& call);

  PlainBackend plain_;  // the operators; its stream is that of the layers, too
  Capabilities capabilities_;
  Fault fault_;
  KeptMasks kept_masks_;
};

}  // namespace dropcheck::mutants
