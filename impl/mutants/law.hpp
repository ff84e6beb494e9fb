#pragma once
// What the bases do to kept and dropped elements, with the faults that sit there.

#include <cstddef>
#include <cstdint>

#include "impl/mutants/call_state.hpp"
#include "impl/mutants/fault.hpp"

namespace dropcheck::mutants {

/// Kept: x * gain + kept_shift. Dropped: x * 0 + dropped_shift. Without shifts nothing is added, which keeps
/// the sign of zero.
struct Law {
  double gain = 0;
  bool shifts = false;
  double kept_shift = 0;
  double dropped_shift = 0;
  bool round_product = false;        // to the dtype, before the shift is added
  bool skip_dropped = false;         // fault: dropped elements are not written
  bool dropped_nan_is_zero = false;  // fault
  bool selects = false;              // fault: a dropped element becomes +0, whatever it was
};

/// Of the plain base, for 0 < p < 1. Plain: PyTorch's x * fl(1 / fl(q)), with q in f32 for the half types.
/// Alpha: a x + alpha a p and -alpha a q with a = ((alpha^2 p + 1) q)^(-1/2) (Klambauer et al. 2017).
Law forward_law(const CallState& call, Fault fault);
Law backward_law(const CallState& call, Fault fault);

/// Of PyTorch 1.13.1 on a CPU, for 0 < p < 1 and f64, f32 or bf16: each operator rounds to the dtype, and so
/// does each number that it takes. Plain: x * fl(1 / fl(q)). Alpha: kept x fl(a) + fl(alpha a p), dropped x *
/// 0 + fl(fl(alpha a p) - fl(alpha a)).
Law torchlike_law(Op op, double p, DType dtype, Fault fault);
/// The multiplication alone.
Law torchlike_gradient_law(Op op, double p, DType dtype, Fault fault);

/// `count` dense elements of the dtype, `per_entry` of them under each keep byte. In place is fine. f64 is
/// computed in double and all else in float, with one rounding to the dtype.
void apply(const Law& law, DType dtype, const std::byte* x, const std::uint8_t* kept, std::int64_t entries,
           std::int64_t per_entry, std::byte* y);

}  // namespace dropcheck::mutants
