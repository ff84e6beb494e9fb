#pragma once
// Takes Torch's warnings off standard error and into the result of the call.

#include <c10/util/Exception.h>
#include <torch/version.h>

#include <string>
#include <string_view>

#include "harness/abi/dropcheck_plugin.hpp"
#include "impl/libtorch/refusals.hpp"

namespace dropcheck::libtorch {

// Torch 2 wraps a warning in a class, where 1.x hands over its parts.
#if TORCH_VERSION_MAJOR >= 2
namespace torch_warnings = c10::WarningUtils;
#else
namespace torch_warnings = c10::Warning;
#endif

/// While it lives, warnings of its thread go into the result of a call; without one they are dropped.
class WarningCollector : private c10::WarningHandler {
 public:
  explicit WarningCollector(plugin::Result* result) : result_(result), guard_(this) {}

 private:
#if TORCH_VERSION_MAJOR >= 2
  void process(const c10::Warning& warning) override { add(warning.msg()); }
#else
  void process(const c10::SourceLocation&, const std::string& message, const bool) override { add(message); }
#endif
  void add(std::string_view message) {
    if (result_ != nullptr) result_->warning(first_line(message));
  }

  plugin::Result* result_;
  torch_warnings::WarningHandlerGuard guard_;
};

}  // namespace dropcheck::libtorch
