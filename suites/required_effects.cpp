#include "suites/required_effects.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace dropcheck::suites {
namespace {

struct Pair {
  double full, other;
};

struct Row {
  std::string_view check;
  EffectScale scale;
  Pair smoke, quick, standard, deep;  // at p = 0.1, in the unit of the check's minimum detectable effect
};

constexpr EffectScale kNone = EffectScale::none, kRate = EffectScale::rate, kVariance = EffectScale::variance,
                      kPairs = EffectScale::pairs, kOdds = EffectScale::odds, kRun = EffectScale::run;

// The rate comes first: 1e-3, 3e-4 and 3e-5. The others follow from the same samples.
constexpr std::array kRows = {
    Row{"mask_rate.drop_rate", kRate, {3e-3, 2.5e-2}, {1e-3, 1.2e-2}, {3e-4, 8.8e-3}, {3e-5, 4.4e-3}},
    Row{"mask_rate.lanes", kRate, {6.5e-3, 5.2e-2}, {1.15e-3, 2.7e-2}, {4.7e-4, 1.85e-2}, {5.9e-5, 9.3e-3}},
    Row{"mask_rate.worst_lane", kRate, {.135, 1}, {.021, .65}, {8.4e-3, .45}, {1e-3, .2}},
    Row{"mask_rate.block_histogram", kNone, {.095, .1}, {.018, .095}, {7.7e-3, .07}, {1e-3, .13}},
    Row{"mask_rate.block_rates", kNone, {.18, .73}, {.033, .73}, {.0135, .52}, {1.7e-3, .25}},
    Row{"mask_rate.drift", kRate, {5.2e-3, .042}, {9.3e-4, .021}, {3.8e-4, .0145}, {4.7e-5, 7.5e-3}},
    Row{"mask_rate.dispersion", kNone, {2e-3, .023}, {4.4e-4, 9.2e-3}, {1.8e-4, 6.1e-3}, {2.2e-5, 2.9e-3}},
    Row{"mask_rate.gaps", kNone, {.06, .16}, {.034, .16}, {.016, .115}, {2.3e-3, .063}},
    Row{"mask_rate.large_call", kRate, {.2, .2}, {.01, .01}, {.01, .01}, {.01, .01}},
    Row{"mask_rate.longest_run", kRun, {280, 240}, {340, 330}, {360, 340}, {410, 360}},
    Row{"mask_rate.position", kRate, {.25, .25}, {.064, .25}, {.022, .25}, {7.5e-3, .25}},
    Row{"unbiasedness.mean", kOdds, {3.9e-3, .032}, {1.4e-3, .016}, {5.7e-4, .016}, {7.2e-5, .011}},
    Row{"unbiasedness.variance", kOdds, {3.9e-3, .032}, {1.4e-3, .016}, {5.7e-4, .016}, {7.2e-5, .011}},
    Row{"channel_correlation.channels",
        kPairs,
        {.014, .014},
        {6e-3, 6e-3},
        {4.3e-3, 4.3e-3},
        {2.2e-3, 2.2e-3}},
    Row{"channel_correlation.axes", kPairs, {1.5e-3, 6e-3}, {2.5e-4, 1.4e-3}, {1e-4, 1e-3}, {1.3e-5, 5e-4}},
    Row{"channel_correlation.lags", kNone, {.01, .09}, {1.8e-3, .042}, {7e-4, .03}, {9e-5, .015}},
    Row{"channel_correlation.structural_lags",
        kNone,
        {.014, .14},
        {2.6e-3, .063},
        {1e-3, .043},
        {1.3e-4, .022}},
    Row{"channel_correlation.large_call", kNone, {.3, .3}, {.01, .01}, {.01, .01}, {.01, .01}},
    Row{"channel_correlation.serial", kNone, {.016, .08}, {3e-3, .045}, {1.3e-3, .034}, {1.7e-4, .022}},
    Row{"channel_correlation.triples", kNone, {.0115, .09}, {4.2e-3, .046}, {2.4e-3, .032}, {4.2e-4, .017}},
    Row{"channel_correlation.word_weights", kNone, {.08, .08}, {.0145, .08}, {6e-3, .058}, {7.3e-4, .115}},
    Row{"channel_correlation.boundaries", kNone, {.33, .46}, {.15, .46}, {.038, .46}, {3e-3, .46}},
    Row{"channel_correlation.channel_pairs", kNone, {.17, 1}, {.038, 1}, {.012, 1}, {1.3e-3, 1}},
    Row{"channel_correlation.spectrum", kNone, {1.1, 1.1}, {.36, 1.1}, {.22, .85}, {.066, .55}},
    Row{"channel_correlation.rank", kNone, {}, {}, {}, {.15, .15}},
    Row{"channel_correlation.linear_complexity", kNone, {}, {}, {}, {10, 10}},
    Row{"channel_correlation.collisions", kNone, {}, {}, {}, {1.2, 1.2}},
    Row{"channel_correlation.birthday", kNone, {}, {}, {}, {1.1, 1.1}},
    Row{"gradient_consistency.expectation",
        kOdds,
        {.028, .032},
        {4.6e-3, .022},
        {2.3e-3, 5e-3},
        {1.15e-3, 3.6e-3}},
    Row{"seed_determinism.chunk_overlaps",
        kNone,
        {.0145, .06},
        {4e-3, 5.5e-3},
        {1.6e-3, 3.7e-3},
        {1.8e-4, 1.4e-3}},
    Row{"seed_determinism.streams", kNone, {.2, .2}, {.036, .2}, {.018, .2}, {2.2e-3, .2}},
    Row{"seed_determinism.seed_flips", kVariance, {.03, .03}, {5.8e-3, .03}, {3e-3, .03}, {3.6e-4, .03}},
    Row{"seed_determinism.repeats", kNone, {6e3, 6e3}, {6e4, 6e4}, {6e4, 6e4}, {9e5, 6e4}},
    // Samples of one size in all profiles but smoke, which has none.
    Row{"embedding.mc_estimate", kNone, {}, {.03, .03}, {.03, .03}, {.03, .03}},
    Row{"embedding.subnetworks", kNone, {}, {.025, 4.5e-3}, {.025, 4.5e-3}, {.025, 4.5e-3}},
};

/// The same for the profile `frameworks`, whose samples have sizes of their own.
struct Column {
  std::string_view check;
  Pair effect;
};
constexpr std::array kFrameworks = {
    Column{"mask_rate.drop_rate", {0.00066, .011}},
    Column{"mask_rate.lanes", {0.0014, .026}},
    Column{"mask_rate.worst_lane", {.026, .57}},
    Column{"mask_rate.block_histogram", {.023, .082}},
    Column{"mask_rate.block_rates", {.04, .63}},
    Column{"mask_rate.drift", {0.0012, .018}},
    Column{"mask_rate.dispersion", {0.00041, 0.0079}},
    Column{"mask_rate.gaps", {.017, .13}},
    Column{"mask_rate.large_call", {.05, .05}},
    Column{"mask_rate.longest_run", {300, 280}},
    Column{"mask_rate.position", {.078, .078}},
    Column{"unbiasedness.mean", {0.0015, .014}},
    Column{"unbiasedness.variance", {0.0015, .014}},
    Column{"channel_correlation.channels", {0.0056, 0.0056}},
    Column{"channel_correlation.axes", {0.00031, 0.0013}},
    Column{"channel_correlation.lags", {0.0022, .038}},
    Column{"channel_correlation.structural_lags", {0.0031, .055}},
    Column{"channel_correlation.large_call", {.05, .05}},
    Column{"channel_correlation.serial", {0.0036, .04}},
    Column{"channel_correlation.triples", {0.0045, .041}},
    Column{"channel_correlation.word_weights", {.018, .07}},
    Column{"channel_correlation.boundaries", {.081, .4}},
    Column{"channel_correlation.channel_pairs", {.074, .65}},
    Column{"channel_correlation.spectrum", {.39, .92}},
    Column{"gradient_consistency.expectation", {.029, .029}},
    Column{"seed_determinism.chunk_overlaps", {0.004, 0.0089}},
    Column{"seed_determinism.streams", {.096, .096}},
    Column{"seed_determinism.seed_flips", {.016, .016}},
    Column{"seed_determinism.repeats", {40000, 18000}},
    Column{"embedding.mc_estimate", {.03, .03}},
    Column{"embedding.subnetworks", {.025, 4.5e-3}},
};

}  // namespace

Requirement requirement_of(std::string_view check_id) {
  const auto* row =
      std::find_if(kRows.begin(), kRows.end(), [&](const Row& r) { return r.check == check_id; });
  if (row == kRows.end()) return {};
  Requirement requirement{row->scale, {}};
  const auto* frameworks = std::find_if(kFrameworks.begin(), kFrameworks.end(),
                                        [&](const Column& c) { return c.check == check_id; });
  const std::array pairs = {row->smoke, row->quick, row->standard, row->deep,
                            frameworks != kFrameworks.end() ? frameworks->effect : Pair{}};
  static_assert(pairs.size() == kProfiles.size());
  for (std::size_t i = 0; i < pairs.size(); ++i)
    if (pairs[i].full > 0) requirement.effects.push_back({kProfiles[i], pairs[i].full, pairs[i].other});
  return requirement;
}

}  // namespace dropcheck::suites
