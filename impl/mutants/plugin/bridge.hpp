#pragma once
// Calls of the plugin ABI as calls of a Backend, and back: what lets a mutant be judged as any plugin is.

#include <cstddef>
#include <list>
#include <string>
#include <vector>

#include "harness/abi/dropcheck_plugin.hpp"
#include "harness/core/backend.hpp"

namespace dropcheck::mutants {

/// Fills the texts and features of a kernel with what a backend claims.
void claim(const Capabilities& capabilities, plugin::Kernel& kernel);

/// A call of a backend with the memory that its tensors name; valid while the ABI's call is.
class BridgedCall {
 public:
  /// Throws plugin::Unsupported or plugin::InvalidArgument for what a backend's call cannot say.
  explicit BridgedCall(const plugin::Call& call);
  BridgedCall(const BridgedCall&) = delete;
  BridgedCall& operator=(const BridgedCall&) = delete;
  const Call& call() const { return call_; }

 private:
  Call call_;
  std::list<std::unique_ptr<Memory>> memories_;
};

/// The same of a backward call.
class BridgedBackward {
 public:
  BridgedBackward(std::uint64_t saved, const plugin::Call& call);
  BridgedBackward(const BridgedBackward&) = delete;
  BridgedBackward& operator=(const BridgedBackward&) = delete;
  const BackwardCall& call() const { return call_; }

 private:
  BackwardCall call_;
  std::list<std::unique_ptr<Memory>> memories_;
};

/// Hands on what a backend observed. Throws std::length_error where the ABI has no room for it, and for an
/// error the exception that the ABI has for its code.
void report(const Expected<Observation>& seen, plugin::Result& result);

/// Throws the exception that the ABI has for the error's code.
[[noreturn]] void refuse(const Error& error);

}  // namespace dropcheck::mutants
