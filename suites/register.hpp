#pragma once
#include "harness/core/registry.hpp"
#include "suites/dialect.hpp"

namespace dropcheck::suites {

/// Adds every protocol, check and profile, in catalogue order, as they stand under that dialect.
void register_suites(Registry& registry, const Dialect& dialect = pytorch_dialect());

}  // namespace dropcheck::suites
