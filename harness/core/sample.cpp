#include "harness/core/sample.hpp"

namespace dropcheck {

bool draws_mask(const Problem& problem) {
  return problem.mode == Mode::train && is_float(problem.dtype) && problem.p > 0 && problem.p < 1 &&
         element_count(problem.shape) > 0;
}

}  // namespace dropcheck
