#include "suites/register.hpp"

#include <string_view>

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dialects/pytorch.hpp"
#include "suites/dialects/row_check.hpp"
#include "suites/protocols.hpp"
#include "suites/required_effects.hpp"

namespace dropcheck {

std::string_view embedded_profile(std::string_view stem);  // generated from suites/inputs

namespace suites {

void register_suites(Registry& registry, const Dialect& dialect) {
  register_protocols(registry, dialect);
  add_drop_rate(registry);
  add_effective_rate(registry, dialect);
  add_lanes(registry);
  add_blocks(registry);
  add_dispersion(registry);
  add_gaps(registry);
  add_longest_run(registry);
  add_drift(registry);
  add_position(registry);
  add_weighted_sums(registry, dialect);
  add_kept_value(registry, dialect);
  add_whole_channels(registry);
  add_pairs(registry);
  add_lags(registry);
  add_serial(registry);
  add_triples(registry);
  add_word_weights(registry);
  add_boundaries(registry);
  add_spectrum(registry);
  add_fair_bits(registry);
  add_linear_complexity(registry);
  add_channel_pairs(registry);
  add_chunk_overlaps(registry);
  add_seed_streams(registry);
  add_seed_bits(registry);
  add_other_shape(registry);
  add_large_call(registry);
  add_repeats(registry);
  add_seed_instances(registry, dialect);
  add_other_memory(registry, dialect);
  add_reseed_after_calls(registry, dialect);
  add_form_seeds(registry, dialect);
  add_distinct_masks(registry);
  add_offset_bits(registry);
  add_reindexed(registry);
  add_batch_split(registry);
  add_replay(registry);
  add_coupled_thresholds(registry);
  add_gradient(registry, dialect);
  add_gradient_elements(registry, dialect);
  add_gradient_steps(registry, dialect);
  add_gradient_recompute(registry, dialect);
  add_gradient_numerical(registry, dialect);
  add_gradient_sums(registry, dialect);
  add_double_backward(registry, dialect);
  add_determinism(registry, dialect);
  add_semantics(registry, dialect);
  add_dropped_values(registry, dialect);
  add_in_place(registry, dialect);
  add_exact_stream(registry, dialect);
  add_scale_form(registry, dialect);
  add_embedding(registry, dialect);
  add_random_problems(registry);
  add_rows(registry, pytorch_rows(), dialect);
  add_pytorch_tests(registry, dialect);
  std::vector<std::string> ids;
  for (const CheckInfo& info : catalogue()) ids.push_back(info.id);
  registry.order_checks(ids);
  for (const char* name : kProfiles) registry.add_profile(name, embedded_profile(name));
  registry.add_profile(kCalibrationProfile, embedded_profile(kCalibrationProfile));
}

}  // namespace suites
}  // namespace dropcheck
