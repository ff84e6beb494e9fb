#include "harness/core/sample.hpp"

namespace dropcheck {

bool draws_mask(const Problem& problem) {
  return problem.mode == Mode::train && is_float(problem.dtype) && problem.p > 0 && problem.p < 1 &&
         element_count(problem.shape) > 0;
}

bool has_memory_order(const Problem& problem) {
  if (drops_channels(problem.op) || !is_float(problem.dtype) || element_count(problem.shape) == 0)
    return false;
  const TensorView logical{nullptr, problem.dtype, problem.shape, geometry_of(problem, true).strides};
  const TensorView memory = in_memory_order(logical);
  return memory.strides != logical.strides;
}

}  // namespace dropcheck
