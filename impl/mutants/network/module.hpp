#pragma once
// A dropout module in a tree of containers: the modes of frameworks with modules.

#include <cstdint>
#include <memory>

#include "harness/core/vocabulary.hpp"
#include "impl/mutants/fault.hpp"

namespace dropcheck::mutants {

/// A container, or at the bottom of the tree the dropout itself. New ones are in training mode.
class Module {
 public:
  /// `depth` containers around one dropout.
  Module(std::int64_t depth, double p, Fault fault);

  /// Sets the mode of this one and of all below.
  void set_mode(Mode mode);
  /// The dropout at the bottom.
  Module& innermost();

  /// p of a call of the dropout now, which ends in the mode that `mode()` says.
  double p() const { return p_; }
  Mode mode() const { return mode_; }
  /// What a call leaves behind.
  void after_call();

 private:
  Mode mode_ = Mode::train;
  double p_;
  Fault fault_;
  std::unique_ptr<Module> child_;
};

}  // namespace dropcheck::mutants
