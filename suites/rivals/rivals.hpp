#pragma once
// What other projects publish as their tests of dropout, restated as suites of checks to stand beside ours.
// Each is named `rival:NAME` and runs only where it is asked for: what it says is its own and never decides.

#include <span>
#include <string_view>

#include "harness/core/registry.hpp"

namespace dropcheck::suites {

struct RivalInfo {
  std::string_view name;    // e.g. "xformers"
  std::string_view title;   // what it tests, in a few words
  std::string_view source;  // project, files and, where it is known, the commit
};

/// All of them, in the order of docs/rivals.md.
std::span<const RivalInfo> rivals();

/// "rival:".
inline constexpr std::string_view kRivalPrefix = "rival:";

/// Registers the checks `rival:NAME.TEST` and their protocols, all recommended, of weight 0 and outside the
/// budget. Once for a registry; the name must be one of `rivals`.
void register_rival(Registry& registry, std::string_view name);

}  // namespace dropcheck::suites
