#include "harness/stats/preconditions.hpp"

#include <stdexcept>
#include <string>

namespace dropcheck::stats {

void require(bool holds, const char* rule) {
  if (!holds) throw std::domain_error(std::string("statistics: this must hold: ") + rule);
}

void require_error_rates(double alpha, double beta) {
  require(alpha > 0.0 && alpha < 1.0, "0 < alpha < 1");
  require(beta > 0.0 && beta < 1.0, "0 < beta < 1");
}

double exact_double(std::uint64_t integer) {
  require(integer <= (std::uint64_t{1} << 53), "count <= 2^53");
  return static_cast<double>(integer);
}

}  // namespace dropcheck::stats
