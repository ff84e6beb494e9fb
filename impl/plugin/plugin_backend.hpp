#pragma once
// Loads a shared library that speaks the C plugin ABI into this process and puts the Backend interface before
// it. Nothing that the plugin says is used unchecked.

#include <string>

#include "harness/abi/dropcheck_plugin.h"
#include "harness/core/registry.hpp"

namespace dropcheck::plugin_host {

/// Opens `PATH[?CONFIG]`, as the context of that rank. Errors say whether the file, the symbol, the ABI
/// version or the plugin's own open() was at fault.
Expected<std::unique_ptr<Backend>> open_plugin(const std::string& path_and_config, std::uint32_t rank = 0,
                                               std::uint32_t world_size = 1);

}  // namespace dropcheck::plugin_host
