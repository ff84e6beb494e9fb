#include "impl/mutants/network/module.hpp"

namespace dropcheck::mutants {

Module::Module(std::int64_t depth, double p, Fault fault) : p_(p), fault_(fault) {
  if (depth > 0) child_ = std::make_unique<Module>(depth - 1, p, fault);
}

void Module::set_mode(Mode mode) {
  mode_ = mode;
  if (child_ && fault_ != Fault::eval_ignored_by_children) child_->set_mode(mode);
}

Module& Module::innermost() { return child_ ? child_->innermost() : *this; }

void Module::after_call() {
  if (mode_ == Mode::eval && fault_ == Fault::eval_forgets) p_ = 0;
}

}  // namespace dropcheck::mutants
