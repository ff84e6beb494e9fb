#include "impl/mutants/rate_backend.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>

#include "harness/core/problem.hpp"
#include "impl/mutants/generator.hpp"
#include "impl/mutants/philox.hpp"

namespace dropcheck::mutants {
namespace {

/// What decides an element: the leading bits of its draw, against a number of the same width.
struct Comparison {
  unsigned bits;
  std::uint64_t below;       // how many of the 2^bits numbers are below the threshold
  bool keeps_below = false;  // otherwise those are dropped
};

/// Drops with probability p, to 53 bits.
Comparison exact(double p) { return {53, static_cast<std::uint64_t>(std::ceil(std::ldexp(p, 53)))}; }

std::uint64_t ceiling(double value) { return static_cast<std::uint64_t>(std::ceil(value)); }
std::uint64_t floor_of(double value) { return static_cast<std::uint64_t>(std::floor(value)); }

bool has_16_bits(DType dtype) { return size_of(dtype) == 2; }

float as_f16(float value) { return static_cast<float>(Eigen::half(value)); }
float as_bf16(float value) { return static_cast<float>(Eigen::bfloat16(value)); }

/// P(Z < x) of a standard normal number.
double normal_below(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

/// 16 bits below f16(q) f16(65536), which is infinite: the largest f16 is 65504.
Comparison below_f16_product(double q) {
  const float threshold = as_f16(as_f16(static_cast<float>(q)) * as_f16(65536.0f));
  return {16, std::isinf(threshold) ? 65536 : static_cast<std::uint64_t>(threshold), true};
}

Comparison comparison_of(const CallState& call, Fault fault, double strength) {
  const double p = call.p, q = 1.0 - p;
  switch (fault) {
    case Fault::rate_shifted: return exact(std::min(p + strength, 1.0));
    case Fault::kept_below_255ths: return {8, floor_of(255 * q) + 1, true};
    case Fault::kept_below_65535ths: return {16, floor_of(65535 * q) + 1, true};
    case Fault::kept_at_threshold8: return {8, floor_of(256 * q) + 1, true};
    case Fault::threshold8_by_shape:
      if (!has_16_bits(call.dtype) || element_count(call.shape) % 16 != 0) return exact(p);
      return {8, floor_of(256 * p)};
    case Fault::uniform16: return {16, ceiling(std::ldexp(p, 16))};
    case Fault::uniform23: return {23, ceiling(std::ldexp(p, 23))};
    case Fault::half_overflow: return call.dtype == DType::f16 ? below_f16_product(q) : exact(p);
    case Fault::integer_p: return exact(static_cast<int>(p));
    case Fault::swapped_with_scale: return exact(q);
    case Fault::mask_unfilled: return exact(call.dtype == DType::bf16 ? 1.0 : p);
    case Fault::interval_ignored: return exact(std::max(2 * p - 1, 0.0));
    case Fault::gaussian_threshold: return exact(is_alpha(call.op) ? normal_below(q) : p);
    case Fault::threshold_one_above: return {32, ceiling(std::ldexp(p, 32)) + 1};
    case Fault::p_as_f32: return {32, ceiling(std::ldexp(static_cast<double>(static_cast<float>(p)), 32))};
    default: return exact(p);
  }
}

/// Decides each entry by its draw; a draw of dropcheck-philox has its 32 bits in the upper half.
template <typename Keeps>
void decide(const CallState& call, std::vector<std::uint8_t>& kept, Keeps&& keeps) {
  if (call.source == Source::philox) {
    std::array<std::uint32_t, 4> words{};
    for (std::size_t i = 0; i < kept.size(); ++i) {
      if (i % 4 == 0) words = philox4x32(i / 4, call.number, call.seed, kPhiloxRounds);
      kept[i] = keeps(std::uint64_t{words[i % 4]} << 32) ? 1 : 0;
    }
    return;
  }
  const std::uint64_t key = key_of(call.seed, call.number, kForwardUse);
  for (std::size_t i = 0; i < kept.size(); ++i) kept[i] = keeps(word_of(key, i)) ? 1 : 0;
}

/// 24 bits as a number in [0, 1).
float uniform24(std::uint64_t word) { return static_cast<float>(word >> 40) * 0x1p-24f; }

/// Drops where fl(u) < fl(p), both rounded to nearest by `round`.
template <typename Round>
auto rounded_compare(double p, Round round) {
  return [threshold = round(static_cast<float>(p)), round](std::uint64_t word) {
    return !(round(uniform24(word)) < threshold);
  };
}

}  // namespace

RateBackend::RateBackend(const std::string& id, Fault fault, Source source, double strength)
    : PlainBackend(id, fault, source), fault_(fault), strength_(strength) {}

void RateBackend::prepare(const Call& call, CallState& state) {
  if (call.mode == Mode::eval || element_count(state.shape) == 0 || is_alpha(call.op)) return;
  if (fault_ == Fault::uniform_closed_above && call.p == 0.0) state.action = Action::drop;
  if (fault_ == Fault::drawn_at_p1 && call.p == 1.0 && has_16_bits(state.dtype)) state.action = Action::drop;
}

Mask RateBackend::drawn_mask(const CallState& state) {
  Mask mask = blank_mask(state);
  std::vector<std::uint8_t>& kept = mask.kept;
  const double p = state.p;
  switch (fault_) {
    case Fault::uniform_closed_above:
      // As cuRAND makes it: a 32-bit word times 2^-32 plus 2^-33 in f32, which is 1 for the 128 largest.
      decide(state, kept, [q = static_cast<float>(1.0 - p)](std::uint64_t word) {
        return static_cast<float>(static_cast<std::uint32_t>(word >> 32)) * 0x1p-32f + 0x1p-33f < q;
      });
      return mask;
    case Fault::half_divisor:
      if (!has_16_bits(state.dtype)) break;
      decide(state, kept, [p](std::uint64_t word) {
        return static_cast<double>(word >> 48) / std::numeric_limits<std::uint32_t>::max() >= p;
      });
      return mask;
    case Fault::drawn_at_p1:
    case Fault::compared_in_dtype:
      if (state.dtype == DType::bf16) decide(state, kept, rounded_compare(p, as_bf16));
      else if (state.dtype == DType::f16) decide(state, kept, rounded_compare(p, as_f16));
      else break;
      return mask;
    case Fault::compared_in_f16: decide(state, kept, rounded_compare(p, as_f16)); return mask;
    case Fault::grid_of_2047:
      decide(state, kept, [dropped = ceiling(2048 * p)](std::uint64_t word) {
        return ((word >> 32) * 2047) >> 32 >= dropped;
      });
      return mask;
    case Fault::signed_compare:
      decide(state, kept,
             [threshold = static_cast<std::int32_t>(static_cast<std::uint32_t>(ceiling(std::ldexp(p, 32))))](
                 std::uint64_t word) {
               return static_cast<std::int32_t>(static_cast<std::uint32_t>(word >> 32)) >= threshold;
             });
      return mask;
    default: break;
  }
  const Comparison rule = comparison_of(state, fault_, strength_);
  decide(state, kept, [rule, shift = 64 - rule.bits](std::uint64_t word) {
    return ((word >> shift) < rule.below) == rule.keeps_below;
  });
  return mask;
}

}  // namespace dropcheck::mutants
