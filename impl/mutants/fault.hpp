#pragma once
// What may be wrong with one of the fault-free bases. The table in mutants.cpp says what each fault does.

#include <cstdint>

namespace dropcheck::mutants {

enum class Fault : std::uint8_t {
  none,
  // Of the plain base.
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
  // Of the plain base with dropcheck-philox.
  seven_rounds,
  // Of the base that behaves like PyTorch.
  scale_ulp,
  three_words,
  words_swapped,
  kept_at_threshold,
  memory_order,
  in_place_ignored,
  nan_to_zero,
  draws_at_p1,
  error_text,
  copy_in_eval,
  silent_rnn,
  expanded_shared,
};

}  // namespace dropcheck::mutants
