#pragma once
// The one line that reruns a cell alone and decides alike.

#include <string>

#include "harness/run/plan.hpp"

namespace dropcheck {

/// The word as a POSIX shell must see it.
std::string shell_word(const std::string& word);

/// `dropcheck run --backend=... --profile=... --seed=... --alpha=... --check=... --dialect=... --case=...`;
/// the dialect only where it is not PyTorch's.
std::string repro_line(const std::string& backend, const Plan& plan, const std::string& check,
                       const std::string& problem);

}  // namespace dropcheck
