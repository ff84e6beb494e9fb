#include "impl/mutants/mutants.hpp"

#include <fmt/format.h>

#include <array>
#include <vector>

#include "impl/mutants/gradient_backend.hpp"
#include "impl/mutants/gradient_table.hpp"
#include "impl/mutants/network_backend.hpp"
#include "impl/mutants/network_table.hpp"
#include "impl/mutants/plain_backend.hpp"
#include "impl/mutants/seeded_backend.hpp"
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
    MutantInfo{"batch_shares_channels",
               "draws channels once for the whole batch, so that samples share masks",
               "channel_correlation.channels", Fault::batch_shares_channels},
    MutantInfo{"seed_is_address", "takes the address of the input for the seed",
               "seed_determinism.other_memory", Fault::seed_is_address},
    MutantInfo{"seed_address_and_size",
               "makes the seed of every call from the address and the size of its input",
               "seed_determinism.next_call", Fault::seed_address_and_size},
    MutantInfo{"seed_never_reaches", "does not reset its stream for tensors of 16 bits, whatever the seed",
               "seed_determinism.same_seed", Fault::seed_never_reaches},
    MutantInfo{"seed_from_rand", "mixes a random number of its process into every seed",
               "seed_determinism.fresh_process", Fault::seed_from_rand},
    MutantInfo{"state_cached", "makes the state of its generator once, by the first seed",
               "seed_determinism.reseed_after_calls", Fault::state_cached},
    MutantInfo{"zero_is_random", "draws a seed at random where the seed is 0", "seed_determinism.seed_zero",
               Fault::zero_is_random},
    MutantInfo{"zero_is_fixed", "takes the seed 0 in every call that has none",
               "seed_determinism.distinct_masks", Fault::zero_is_fixed},
    MutantInfo{"unseeded_constant", "takes one constant seed in every call that has none",
               "seed_determinism.reindexed", Fault::unseeded_constant},
    MutantInfo{"seed_truncated32", "uses the lower 32 bits of a seed", "seed_determinism.seed_bits",
               Fault::seed_truncated32},
    MutantInfo{"seed_clamped", "makes 65535 of every larger seed", "seed_determinism.seed_bits",
               Fault::seed_clamped},
    MutantInfo{"birthday_few_seeds", "has 4096 different seeds: 17 + seed % 4096",
               "seed_determinism.distinct_masks", Fault::birthday_few_seeds},
    MutantInfo{"lanes_of_last_call",
               "reads the last two words of every four again, as the first two of the next call",
               "seed_determinism.reindexed", Fault::lanes_of_last_call},
    MutantInfo{"state_by_value", "sets the state of its generator in a copy",
               "gradient_consistency.recompute", Fault::state_by_value},
    MutantInfo{"module_ignores_seed", "draws a module's mask from a stream that seeds do not reset",
               "seed_determinism.forms", Fault::module_ignores_seed, "network"},
    MutantInfo{"offset_truncated", "uses the lower 32 bits of an offset", "seed_determinism.offset_bits",
               Fault::offset_truncated, "entries"},
    MutantInfo{"ranks_equal", "promises other masks on every rank and draws the same",
               "seed_determinism.independent_ranks", Fault::ranks_equal, "entries"},
    MutantInfo{"replay_frozen", "has the same mask in every replay of a call", "seed_determinism.replay",
               Fault::replay_frozen, "entries"},
    MutantInfo{"split_differs", "begins every call at a multiple of four words of its stream",
               "seed_determinism.batch_split", Fault::split_differs, "entries"},
    MutantInfo{"thresholds_uncoupled", "draws other numbers for another p under the same seed",
               "seed_determinism.coupled_thresholds", Fault::thresholds_uncoupled, "entries"},
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

/// Whether the fault sits in what a seed does.
bool is_of_seeds(Fault fault) {
  return fault >= Fault::seed_is_address && fault <= Fault::birthday_few_seeds;
}

/// Whether the fault sits in a backward pass, or in a forward pass that is worked out again.
bool is_of_gradients(Fault fault) {
  return fault >= Fault::backward_block_stride && fault <= Fault::graph_mask_redrawn;
}

std::unique_ptr<Backend> make(const std::string& id, std::string_view base, Fault fault, std::uint32_t rank) {
  if (base == "torchlike") return std::make_unique<TorchlikeBackend>(id, fault);
  if (base == "network") return std::make_unique<NetworkBackend>(id, fault);
  if (base == "entries") return std::make_unique<SeededBackend>(id, fault, Source::entries, rank);
  if (base == "none" && is_of_seeds(fault))
    return std::make_unique<SeededBackend>(id, fault, Source::splitmix, rank);
  if (base == "none" && is_of_gradients(fault)) return std::make_unique<GradientBackend>(id, fault);
  return std::make_unique<PlainBackend>(id, fault, base == "philox" ? Source::philox : Source::splitmix);
}

}  // namespace

std::span<const MutantInfo> mutant_table() {
  static const std::vector<MutantInfo> table = [] {
    std::vector<MutantInfo> all(kTable.begin(), kTable.end());
    all.insert(all.end(), kGradientTable.begin(), kGradientTable.end());
    all.insert(all.end(), kNetworkTable.begin(), kNetworkTable.end());
    return all;
  }();
  return table;
}

Expected<std::unique_ptr<Backend>> open_mutant(const std::string& id, const BackendOptions& options) {
  for (const std::string_view base : kBases)
    if (base == id) return make(id, base, Fault::none, options.rank);
  std::string known = fmt::format("{}", fmt::join(kBases, ", "));
  for (const MutantInfo& mutant : mutant_table()) {
    if (mutant.id == id) return make(id, mutant.base, mutant.fault, options.rank);
    known += fmt::format(", {}", mutant.id);
  }
  return Error{ErrorCode::invalid_argument,
               fmt::format("mutant '{}' is not known: write one of {}", id, known)};
}

}  // namespace dropcheck::mutants
