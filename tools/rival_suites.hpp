#pragma once
// The tests of other projects are registered where somebody names them, so that nothing else changes.

#include <string>
#include <vector>

#include "harness/core/registry.hpp"

namespace dropcheck::tools {

/// Registers the rivals that are named among the suites ("rival:NAME") or by the glob of check ids
/// ("rival:NAME.TEST"), each once. A name that none has is a usage error that lists the known.
Status add_rivals(Registry& registry, const std::vector<std::string>& suites, const std::string& check_glob);

}  // namespace dropcheck::tools
