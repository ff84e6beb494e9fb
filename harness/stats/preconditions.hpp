#pragma once
// Guards of the statistics. A NaN compares false with every threshold, so a meaningless p-value would read as
// a pass; a broken precondition therefore throws and becomes an error verdict at whoever runs the check.

#include <cstdint>

namespace dropcheck::stats {

/// Throws std::domain_error with `rule`, the condition that should have held, unless it holds.
void require(bool holds, const char* rule);

/// Throws std::domain_error unless 0 < alpha < 1 and 0 < beta < 1.
void require_error_rates(double alpha, double beta);

/// The integer as a double. Throws std::domain_error above 2^53, where doubles skip integers.
double exact_double(std::uint64_t integer);

}  // namespace dropcheck::stats
