#pragma once
// What may be wrong with the plain backend. The table in mutants.cpp says what each fault does.

#include <cstdint>

namespace dropcheck::mutants {

enum class Fault : std::uint8_t {
  none,
  swapped,
  threshold8,
  scale_missing,
  scale_inverse_p,
  scale_in_eval,
  applied_twice,
  backward_own_mask,
  backward_scaled_by_p,
  dx_unwritten,
  same_mask_every_call,
  seed_ignored,
  row_key,
  thread_dependent,
  lanes_of_four,
  tail_kept,
  dropout2d_elementwise,
};

}  // namespace dropcheck::mutants
