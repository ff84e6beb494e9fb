#pragma once
// A plugin's own description of itself, checked: texts bounded, words known, numbers in range.

#include "harness/abi/dropcheck_plugin.h"
#include "harness/core/backend.hpp"

namespace dropcheck::plugin_host {

Expected<Capabilities> checked_claims(const dropcheck_capabilities& claims);

/// What a call brought, with every claim in range.
Expected<Observation> checked_result(const dropcheck_result& result);

/// At most `bytes` characters of a text that may lack its NUL, control bytes replaced.
std::string bounded_text(const char* text, std::size_t bytes);

}  // namespace dropcheck::plugin_host
