#pragma once
// The options of a call that this plugin understands.

#include <string_view>

namespace dropcheck::libtorch {

struct Attributes {
  // The host runs several worker processes instead, so one thread a call unless it asks for more.
  int threads = 1;
};

/// Throws plugin::InvalidArgument for malformed text or values, and plugin::Unsupported for any other option:
/// an option that is ignored in silence would put a wrong claim into the report.
Attributes parse_attributes(std::string_view json);

}  // namespace dropcheck::libtorch
