#include "impl/mutants/mutants.hpp"

#include <fmt/format.h>

#include <array>

#include "impl/mutants/plain_backend.hpp"

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
};

}  // namespace

std::span<const MutantInfo> mutant_table() { return kTable; }

Expected<std::unique_ptr<Backend>> open_mutant(const std::string& id, const BackendOptions&) {
  if (id == "none") return std::unique_ptr<Backend>(std::make_unique<PlainBackend>(id, Fault::none));
  std::string known = "none";
  for (const MutantInfo& mutant : kTable) {
    if (mutant.id == id) return std::unique_ptr<Backend>(std::make_unique<PlainBackend>(id, mutant.fault));
    known += fmt::format(", {}", mutant.id);
  }
  return Error{ErrorCode::invalid_argument,
               fmt::format("mutant '{}' is not known: write one of {}", id, known)};
}

}  // namespace dropcheck::mutants
