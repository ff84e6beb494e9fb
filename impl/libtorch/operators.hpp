#pragma once
// The dropout family among ATen's operators.

#include <string>

#include "impl/libtorch/interface.hpp"

namespace dropcheck::libtorch {

/// Operators of the host that ATen has, for the capabilities: "dropout,dropout1d,...".
std::string operator_words();

/// The operator itself. Throws plugin::Unsupported for a word that is none of them.
Interface operator_interface(const plugin::Call& call);

/// The operator that returns the mask too. Throws plugin::Unsupported for other operators than dropout, and
/// in place.
Interface native_dropout_interface(const plugin::Call& call, const Attributes& attributes);

}  // namespace dropcheck::libtorch
