#pragma once
// PyTorch 1.13.1 on the CPU, as far as the rows of its checklist look: a backend that must pass them, and a
// wrapper that plants one defect in the answers of another backend.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "harness/core/backend.hpp"
#include "reference/pytorch_cpu_stream.hpp"

namespace dropcheck::suites::testing {

/// Operators, native_dropout, modules, functions of the C++ front end, and layers on inputs of ones (their
/// results elsewhere are placeholders; the words they draw are right).
class TorchModel final : public Backend {
 public:
  TorchModel();
  const Capabilities& capabilities() const override { return claims; }
  Expected<Observation> forward(const Call& call) override;
  Expected<Observation> backward(const BackwardCall& call) override;
  void release(SavedToken saved) override { saved_.erase(saved.id); }

  Capabilities claims;

 private:
  enum class Action : std::uint8_t { copy, zero, drop };
  struct Saved {
    Call call;
    Action action;
    std::vector<bool> dropped;  // one an element
    std::vector<double> y;
  };
  std::vector<bool> draw(std::uint64_t entries, double p);
  Expected<Observation> recurrent(const Call& call);
  Expected<Observation> attention(const Call& call);
  Expected<Observation> transformer(const Call& call);

  reference::PyTorchCpuStream stream_{0};
  std::uint64_t last_token_ = 0;
  std::map<std::uint64_t, Saved> saved_;
};

/// Another backend with one defect: the hooks see, and change, what goes in and what comes out.
class SpoiledBackend final : public Backend {
 public:
  using Before = std::function<void(Call&)>;
  using After = std::function<void(const Call&, Expected<Observation>&)>;
  using AfterBackward = std::function<void(const BackwardCall&, Expected<Observation>&)>;

  explicit SpoiledBackend(Backend& inner) : claims(inner.capabilities()), inner_(inner) {}
  const Capabilities& capabilities() const override { return claims; }
  Expected<Observation> forward(const Call& call) override {
    Call changed = call;
    if (before) before(changed);
    Expected<Observation> seen = inner_.forward(changed);
    if (after) after(call, seen);
    return seen;
  }
  Expected<Observation> backward(const BackwardCall& call) override {
    Expected<Observation> seen = inner_.backward(call);
    if (after_backward) after_backward(call, seen);
    return seen;
  }
  void release(SavedToken saved) override { inner_.release(saved); }

  Capabilities claims;
  Before before;
  After after;
  AfterBackward after_backward;

 private:
  Backend& inner_;
};

/// Elements of a tensor in logical order.
std::vector<double> read(const CallTensor& tensor);
void write(const std::vector<double>& numbers, const CallTensor& tensor);
/// The tensor that a call's result lies in.
const CallTensor& result_of(const Call& call);
/// The further output of that name, which the call must have.
const CallTensor& output_named(const std::vector<NamedTensor>& outputs, const std::string& name);

}  // namespace dropcheck::suites::testing
