#include "suites/register.hpp"

#include <string_view>

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dialects/pytorch.hpp"
#include "suites/dialects/row_check.hpp"
#include "suites/protocols.hpp"

namespace dropcheck {

std::string_view embedded_profile(std::string_view stem);  // generated from suites/inputs

namespace suites {

void register_suites(Registry& registry) {
  register_protocols(registry);
  add_drop_rate(registry);
  add_effective_rate(registry);
  add_lanes(registry);
  add_blocks(registry);
  add_dispersion(registry);
  add_gaps(registry);
  add_longest_run(registry);
  add_drift(registry);
  add_position(registry);
  add_weighted_sums(registry);
  add_kept_value(registry);
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
  add_repeats(registry);
  add_gradient(registry);
  add_determinism(registry);
  add_semantics(registry);
  add_in_place(registry);
  add_exact_stream(registry);
  add_scale_form(registry);
  add_random_problems(registry);
  add_rows(registry, pytorch_rows());
  add_pytorch_tests(registry);
  std::vector<std::string> ids;
  for (const CheckInfo& info : catalogue()) ids.push_back(info.id);
  registry.order_checks(ids);
  for (const char* name : {"smoke", "quick", "standard", "deep"})
    registry.add_profile(name, embedded_profile(name));
}

}  // namespace suites
}  // namespace dropcheck
