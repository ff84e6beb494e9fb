#pragma once
// Numbers as readers want them: short, the same on every machine, and honest where a double has run out.

#include <cstddef>
#include <string>
#include <string_view>

#include "harness/core/statistic.hpp"

namespace dropcheck::reports {

/// "%.4g".
std::string short_number(double value);
/// The shortest digits that read back to the same double.
std::string exact_number(double value);
/// A p-value from its logarithm, so that 10^-400 does not print as 0.
std::string p_value_text(const Statistic& statistic);
/// "1 result", "2 results".
std::string counted(std::size_t count, std::string_view noun);
/// "S16 triples, cell 37": id, name and the worst cell where there are many.
std::string statistic_label(const Statistic& statistic);
/// "1 - 1e-06" where a plain number would round to 1.
std::string power_text(double power);
/// "0.0094 drop probability [0.009, 0.0098]".
std::string effect_text(const Effect& effect);

}  // namespace dropcheck::reports
