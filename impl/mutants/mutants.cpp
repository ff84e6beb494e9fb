#include "impl/mutants/mutants.hpp"

#include <fmt/format.h>

#include <array>

#include "impl/mutants/plain_backend.hpp"
#include "impl/mutants/torchlike_backend.hpp"

namespace dropcheck::mutants {
namespace {

constexpr std::array kTable = {
    MutantInfo{"swapped", "drops with the keep probability and keeps with the drop probability",
               "mask_rate.drop_rate", Fault::swapped},
    MutantInfo{"threshold8", "compares 8 random bits with floor(256 p)", "mask_rate.drop_rate",
               Fault::threshold8},
    MutantInfo{"scale_missing", "leaves kept elements unscaled", "unbiasedness.kept_value",
               Fault::scale_missing},
    MutantInfo{"scale_inverse_p", "scales kept elements by 1/p instead of 1/(1 - p)",
               "unbiasedness.kept_value", Fault::scale_inverse_p},
    MutantInfo{"scale_in_eval", "scales by 1/(1 - p) in eval mode too", "pytorch_semantics.eval_identity",
               Fault::scale_in_eval},
    MutantInfo{"applied_twice", "applies dropout to its own output with a second mask", "mask_rate.drop_rate",
               Fault::applied_twice},
    MutantInfo{"backward_own_mask", "draws a new mask in the backward pass", "gradient_consistency.same_mask",
               Fault::backward_own_mask},
    MutantInfo{"backward_scaled_by_p", "multiplies kept gradients by p instead of 1/(1 - p)",
               "gradient_consistency.value", Fault::backward_scaled_by_p},
    MutantInfo{"dx_unwritten", "leaves the gradient of dropped elements unwritten",
               "gradient_consistency.value", Fault::dx_unwritten},
    MutantInfo{"same_mask_every_call", "never advances its stream: every call after a seed has the same mask",
               "seed_determinism.next_call", Fault::same_mask_every_call},
    MutantInfo{"seed_ignored", "takes a seed without resetting its stream", "seed_determinism.same_seed",
               Fault::seed_ignored},
    MutantInfo{"row_key", "draws by the position inside the innermost row, so every row has the same mask",
               "channel_correlation.axes", Fault::row_key},
    MutantInfo{"thread_dependent",
               "gives every thread a stream of its own, so the mask depends on their number",
               "seed_determinism.threads", Fault::thread_dependent},
    MutantInfo{"lanes_of_four", "decides four neighbouring mask entries by one draw",
               "channel_correlation.axes", Fault::lanes_of_four},
    MutantInfo{"tail_kept", "never drops the mask entries past the last multiple of four",
               "mask_rate.position", Fault::tail_kept},
    MutantInfo{"dropout2d_elementwise", "drops single elements where whole channels are asked for",
               "channel_correlation.whole_channels", Fault::dropout2d_elementwise},
    MutantInfo{"seven_rounds", "claims dropcheck-philox and takes 7 rounds of Philox instead of 10",
               "exact_stream.masks", Fault::seven_rounds, "philox"},
    MutantInfo{"scale_ulp", "scales kept elements by the number next above 1/(1 - p)",
               "pytorch_semantics.row_22", Fault::scale_ulp, "torchlike"},
    MutantInfo{"three_words",
               "takes three words of the generator an element and uses two, so the next call begins too late",
               "pytorch_semantics.row_44", Fault::three_words, "torchlike"},
    MutantInfo{"words_swapped", "takes the first of an element's two words as the low half",
               "pytorch_semantics.row_39", Fault::words_swapped, "torchlike"},
    MutantInfo{"kept_at_threshold", "keeps an element whose random number equals 1 - p: <= for <",
               "exact_stream.thresholds", Fault::kept_at_threshold, "torchlike"},
    MutantInfo{"memory_order", "draws the mask by address where the input is not contiguous",
               "pytorch_semantics.row_46", Fault::memory_order, "torchlike"},
    MutantInfo{"in_place_ignored", "leaves the tensor of an in-place call as it was",
               "pytorch_semantics.row_52", Fault::in_place_ignored, "torchlike"},
    MutantInfo{"nan_to_zero", "makes 0 of a NaN that is dropped", "pytorch_semantics.row_17",
               Fault::nan_to_zero, "torchlike"},
    MutantInfo{"draws_at_p1", "draws a mask at p = 1 and does not use it", "pytorch_semantics.row_20",
               Fault::draws_at_p1, "torchlike"},
    MutantInfo{"error_text", "refuses a p out of range in words of its own", "pytorch_semantics.row_1",
               Fault::error_text, "torchlike"},
    MutantInfo{"copy_in_eval", "returns a copy in eval mode instead of the input itself",
               "pytorch_semantics.row_11", Fault::copy_in_eval, "torchlike"},
    MutantInfo{"silent_rnn", "does not warn of a recurrent layer whose dropout applies to nothing",
               "pytorch_semantics.row_96", Fault::silent_rnn, "torchlike"},
    MutantInfo{"expanded_shared", "draws once for all copies of an expanded element",
               "pytorch_semantics.row_50", Fault::expanded_shared, "torchlike"},
};

std::unique_ptr<Backend> make(const std::string& id, std::string_view base, Fault fault) {
  if (base == "torchlike") return std::make_unique<TorchlikeBackend>(id, fault);
  return std::make_unique<PlainBackend>(id, fault, base == "philox" ? Source::philox : Source::splitmix);
}

}  // namespace

std::span<const MutantInfo> mutant_table() { return kTable; }

Expected<std::unique_ptr<Backend>> open_mutant(const std::string& id, const BackendOptions&) {
  for (const std::string_view base : kBases)
    if (base == id) return make(id, base, Fault::none);
  std::string known = fmt::format("{}", fmt::join(kBases, ", "));
  for (const MutantInfo& mutant : kTable) {
    if (mutant.id == id) return make(id, mutant.base, mutant.fault);
    known += fmt::format(", {}", mutant.id);
  }
  return Error{ErrorCode::invalid_argument,
               fmt::format("mutant '{}' is not known: write one of {}", id, known)};
}

}  // namespace dropcheck::mutants
