#include "harness/run/packed_calls.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>

#include "harness/core/hash.hpp"
#include "harness/core/packed_mask.hpp"

namespace dropcheck {
namespace {

constexpr std::uint64_t kShownKey = 0x73686f776e;  // "shown"
constexpr std::uint64_t kShownOneIn = 8;

// Four bits of each byte are set, so that a fair or unfair mask equals n bits of it with probability
// (pq)^(n/2), at most 2^-n; a mask of whole channels never does.
constexpr std::byte kPackedPoison{0xA5};
constexpr std::size_t kPiece = 16;        // bytes of which none can be poison by chance
constexpr std::size_t kFewestBytes = 13;  // 104 bits; shorter masks are compared with outputs only

/// A call out of place on a row-major tensor, with nothing beside it.
bool is_plain(const Step& step) {
  return step.attributes.empty() && step.inputs.empty() && step.outputs.empty() && !step.output_shape &&
         !step.problem.in_place && step.problem.layout == Layout::contiguous && !step.expect_error &&
         element_count(step.problem.shape) > 0;
}

bool has_no_zero(Input input) {
  return input == Input::ones || input == Input::random_integers || input == Input::alternating ||
         input == Input::ramp || input == Input::spikes;
}

bool is_poison(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == kPackedPoison; });
}

}  // namespace

bool may_send_mask_alone(const Capabilities& capabilities, const Protocol& protocol, const Step& step) {
  return step.mask_suffices && capabilities.packed_mask && protocol.streaming && is_plain(step) &&
         draws_mask(step.problem) && !has_memory_order(step.problem) && has_no_zero(step.input) &&
         !step.upstream && !step.want_mask && !step.count_words && !step.skip_unclaimed;
}

bool shows_output(std::string_view protocol, std::uint64_t seed, std::uint64_t block, std::size_t step) {
  if (block == 0 && step == 0) return true;
  return keyed_hash(kShownKey, fmt::format("{}|{}|{}|{}", protocol, seed, block, step)) % kShownOneIn == 0;
}

bool may_send_constant(const Capabilities& capabilities, const Step& step) {
  return capabilities.constant_input && is_plain(step);
}

std::optional<std::string> missing_for_mask_only(const Capabilities& capabilities, const Protocol& protocol,
                                                 const Step& step) {
  if (!step.mask_only) return std::nullopt;
  if (may_send_mask_alone(capabilities, protocol, step) && may_send_constant(capabilities, step))
    return std::nullopt;
  const char* missing = capabilities.packed_mask      ? "constant_input"
                        : capabilities.constant_input ? "packed_mask"
                                                      : "packed_mask and constant_input";
  if (capabilities.packed_mask && capabilities.constant_input)
    missing = "a mask of this operator or layout without an output";
  return fmt::format(
      "the backend does not claim {}: only the packed mask of a constant input is asked for in a call of {} "
      "elements",
      missing, element_count(step.problem.shape));
}

Problem packed_problem(const Problem& problem) {
  Problem packed;
  packed.dtype = DType::u8;
  packed.shape = {packed_bytes(element_count(problem.shape))};
  return packed;
}

void poison_packed(GuardedTensor& packed) {
  const TensorView& view = packed.view();
  if (view.count() > 0)
    std::memset(view.data, std::to_integer<int>(kPackedPoison), static_cast<std::size_t>(view.count()));
}

std::optional<std::string> packed_fault(const GuardedTensor& packed, std::uint64_t elements) {
  if (auto fault = packed.fault("packed_mask", false)) return fault;
  const TensorView& view = packed.view();
  const std::span<const std::byte> bytes(view.data, static_cast<std::size_t>(view.count()));
  const std::size_t piece = std::min(kPiece, bytes.size());
  if (piece >= kFewestBytes)
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      const std::size_t begin = std::min(at, bytes.size() - piece);  // the last piece overlaps the one before
      if (is_poison(bytes.subspan(begin, piece)))
        return fmt::format(
            "packed_mask: {} of its {} bytes, from byte {} on, were never written; the backend leaves old "
            "memory "
            "in its result",
            piece, bytes.size(), begin);
    }
  if (has_bits_past_end(bytes, elements))
    return fmt::format(
        "packed_mask: bits past the last of {} elements are set; they must be 0, or the bits do not lie "
        "least "
        "significant first",
        elements);
  return std::nullopt;
}

std::string difference_text(const MaskBits& first, std::string_view first_name, const MaskBits& second,
                            std::string_view second_name) {
  std::size_t w = 0;
  while (first.words()[w] == second.words()[w]) ++w;
  const std::uint64_t at =
      64 * w + static_cast<std::uint64_t>(std::countr_zero(first.words()[w] ^ second.words()[w]));
  return fmt::format("{} of {} elements differ, the first is element {}, which {} {} and {} {}",
                     hamming_distance(first, second), first.size(), at, first_name,
                     first[at] ? "drops" : "keeps", second_name, second[at] ? "drops" : "keeps");
}

}  // namespace dropcheck
