#pragma once
#include "harness/core/registry.hpp"

namespace dropcheck::suites {

/// Adds every protocol, check and profile, in catalogue order.
void register_suites(Registry& registry);

}  // namespace dropcheck::suites
