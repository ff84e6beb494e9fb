#pragma once
// A backend whose every answer a test writes by hand.

#include <functional>
#include <utility>

#include "harness/core/backend.hpp"

namespace dropcheck::testing {

/// Claims everything; forward and backward are the test's own functions.
class ScriptedBackend final : public Backend {
 public:
  std::function<Expected<Observation>(const Call&)> on_forward;
  std::function<Expected<Observation>(const BackwardCall&)> on_backward;
  std::function<Expected<std::vector<std::byte>>()> on_save;
  std::function<Status(std::span<const std::byte>)> on_load;
  Capabilities claims = all_claims();

  const Capabilities& capabilities() const override { return claims; }
  Expected<Observation> forward(const Call& call) override {
    if (on_forward) return on_forward(call);
    return Error{ErrorCode::backend_failed, "no forward in this script"};
  }
  Expected<Observation> backward(const BackwardCall& call) override {
    if (on_backward) return on_backward(call);
    return Error{ErrorCode::backend_failed, "no backward in this script"};
  }
  void release(SavedToken) override {}
  Expected<std::vector<std::byte>> save_state() override {
    return on_save ? on_save() : Backend::save_state();
  }
  Status load_state(std::span<const std::byte> state) override {
    return on_load ? on_load(state) : Backend::load_state(state);
  }

  static Capabilities all_claims() {
    Capabilities c;
    c.name = "scripted";
    c.version = "1";
    c.ops.assign(kAllOps.begin(), kAllOps.end());
    c.dtypes.assign(kFloatDTypes.begin(), kFloatDTypes.end());
    c.layouts.assign(kAllLayouts.begin(), kAllLayouts.end());
    c.offset_unit = "calls";
    c.backward = c.in_place = c.threads = c.mask_output = true;
    return c;
  }
};

}  // namespace dropcheck::testing
