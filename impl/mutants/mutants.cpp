#include "impl/mutants/mutants.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <vector>

#include "impl/mutants/draws_backend.hpp"
#include "impl/mutants/gradient_backend.hpp"
#include "impl/mutants/large_backend.hpp"
#include "impl/mutants/network_backend.hpp"
#include "impl/mutants/offset_backend.hpp"
#include "impl/mutants/plain_backend.hpp"
#include "impl/mutants/position_backend.hpp"
#include "impl/mutants/rate_backend.hpp"
#include "impl/mutants/seeded_backend.hpp"
#include "impl/mutants/tables/draws.hpp"
#include "impl/mutants/tables/gradients.hpp"
#include "impl/mutants/tables/large.hpp"
#include "impl/mutants/tables/layers.hpp"
#include "impl/mutants/tables/offsets.hpp"
#include "impl/mutants/tables/rates.hpp"
#include "impl/mutants/tables/seeds.hpp"
#include "impl/mutants/tables/structure.hpp"
#include "impl/mutants/tables/values.hpp"
#include "impl/mutants/torchlike_backend.hpp"
#include "impl/mutants/value_backend.hpp"

namespace dropcheck::mutants {
namespace {

constexpr std::string_view kValue = "unbiasedness.kept_value", kSameMask = "gradient_consistency.same_mask",
                           kValueAndMask = "unbiasedness.kept_value gradient_consistency.same_mask",
                           kMaskAndSeed = "gradient_consistency.same_mask seed_determinism.same_seed",
                           kValueAndSeed = "unbiasedness.kept_value seed_determinism.same_seed",
                           kAll =
                               "unbiasedness.kept_value gradient_consistency.same_mask "
                               "seed_determinism.same_seed";

constexpr Family kFamilies[] = {
    {"Offsets, counters and streams", kValueAndMask, kOffsets},
    {"Draws within one mask", kAll, kDraws},
    {"Rates and thresholds", kMaskAndSeed, kRates},
    {"Scale and values", "seed_determinism.same_seed", kValues},
    {"Gradients and recomputation", kValueAndSeed, kGradients},
    {"Seeds", kValueAndMask, kSeeds},
    {"Units, positions and modes", kMaskAndSeed, kStructure},
    {"Calls of more than 2^31 elements", kAll, kLarge},
    {"Layers that contain dropout", kAll, kLayers},
};

/// Whether the fault sits in what a seed does.
bool is_of_seeds(Fault fault) {
  return fault >= Fault::seed_is_address && fault <= Fault::birthday_few_seeds;
}

/// Whether the fault sits in a backward pass, or in a forward pass that is worked out again.
bool is_of_gradients(Fault fault) {
  return fault >= Fault::backward_block_stride && fault <= Fault::graph_mask_redrawn;
}

/// Whether the fault sits in where a call begins to draw.
bool is_of_offsets(Fault fault) {
  return fault >= Fault::increment_rounded_down && fault <= Fault::minstd_of_counter;
}

/// Whether the fault sits in the words of one mask.
bool is_of_draws(Fault fault) { return fault >= Fault::lanes_shared && fault <= Fault::common_factor; }

/// Whether the fault sits in the comparison of a draw with a threshold.
bool is_of_rates(Fault fault) { return fault >= Fault::rate_shifted && fault <= Fault::p_as_f32; }

/// Whether the fault sits in what is read and written.
bool is_of_values(Fault fault) { return fault >= Fault::scale_by_q && fault <= Fault::tail_overrun; }

/// Whether the fault sits in which entry takes which draw, and when.
bool is_of_positions(Fault fault) {
  return fault >= Fault::half_drops_in_eval && fault <= Fault::variate_kept;
}

std::unique_ptr<Backend> make(const std::string& id, const MutantInfo& info, std::uint32_t rank) {
  if (info.base == "large") return std::make_unique<LargeBackend>(id, info.fault);
  if (info.base == "torchlike") return std::make_unique<TorchlikeBackend>(id, info.fault);
  if (info.base == "network") return std::make_unique<NetworkBackend>(id, info.fault);
  const Source stream = info.base == "philox" ? Source::philox : Source::splitmix;
  if (is_of_rates(info.fault)) return std::make_unique<RateBackend>(id, info.fault, stream, info.strength);
  if (is_of_values(info.fault)) return std::make_unique<ValueBackend>(id, info.fault);
  if (is_of_positions(info.fault))
    return std::make_unique<PositionBackend>(id, info.fault, stream, info.strength);
  if (is_of_offsets(info.fault)) {
    const Source source = info.base == "entries" ? Source::entries : Source::splitmix;
    return std::make_unique<OffsetBackend>(id, info.fault, info.strength, source, rank);
  }
  if (is_of_draws(info.fault)) return std::make_unique<DrawsBackend>(id, info.fault, info.strength);
  if (info.base == "entries") return std::make_unique<SeededBackend>(id, info.fault, Source::entries, rank);
  if (info.base == "philox") return std::make_unique<PlainBackend>(id, info.fault, Source::philox);
  if (is_of_seeds(info.fault)) return std::make_unique<SeededBackend>(id, info.fault, Source::splitmix, rank);
  if (is_of_gradients(info.fault)) return std::make_unique<GradientBackend>(id, info.fault);
  return std::make_unique<PlainBackend>(id, info.fault);
}

}  // namespace

std::span<const Family> mutant_families() { return kFamilies; }

std::span<const MutantInfo> mutant_table() {
  static const std::vector<MutantInfo> table = [] {
    std::vector<MutantInfo> all;
    for (const Family& family : kFamilies)
      all.insert(all.end(), family.mutants.begin(), family.mutants.end());
    return all;
  }();
  return table;
}

std::vector<std::string> spared_checks(const MutantInfo& mutant) {
  std::string_view text = mutant.spared;
  for (const Family& family : kFamilies)
    if (text.empty() && std::any_of(family.mutants.begin(), family.mutants.end(),
                                    [&](const MutantInfo& member) { return member.id == mutant.id; }))
      text = family.spared;
  std::istringstream words{std::string(text)};
  std::vector<std::string> checks;
  for (std::string check; words >> check;) checks.push_back(check);
  return checks;
}

Expected<std::unique_ptr<Backend>> open_mutant(const std::string& id, const BackendOptions& options) {
  for (const std::string_view base : kBases)
    if (base == id) return make(id, {.id = base, .base = base}, options.rank);
  std::string known = fmt::format("{}", fmt::join(kBases, ", "));
  for (const MutantInfo& mutant : mutant_table()) {
    if (mutant.id == id) return make(id, mutant, options.rank);
    known += fmt::format(", {}", mutant.id);
  }
  return Error{ErrorCode::invalid_argument,
               fmt::format("mutant '{}' is not known: write one of {}", id, known)};
}

}  // namespace dropcheck::mutants
