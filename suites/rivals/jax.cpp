// JAX and Flax: tests of Bernoulli numbers and of known words, and of the layer.

#include <cmath>

#include "suites/dialects/row_steps.hpp"
#include "suites/dialects/row_values.hpp"
#include "suites/foreign_looks.hpp"
#include "suites/rivals/rival_looks.hpp"

namespace dropcheck::suites {
namespace {

// --- JAX

constexpr std::int64_t kDraws = 10000;
constexpr double kChiSquared = 6.634896601021214;  // p-value 0.01 with one degree of freedom

std::vector<Step> bernoulli_steps() {
  std::vector<Step> steps;
  unsigned slot = 0;
  for (const double p : {0.1, 0.5, 0.9})
    for (const DType dtype : {DType::f16, DType::bf16, DType::f32})  // p is rounded to the dtype beforehand
      steps.push_back(seeded_step(problem_of(rounded_to(p, dtype), {kDraws}, dtype), Input::ones, slot++));
  return steps;
}
void chi_squares(RivalTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.shows(i)) continue;
    // Two cells: (x - n p)^2 / (n p) + (x - n p)^2 / (n q).
    const double p = trial.step(i).problem.p, n = kDraws;
    const double statistic = std::pow(trial.rate(i) - p, 2) * n / (p * (1 - p));
    trial.require(statistic < kChiSquared, [&] {
      return fmt::format("{}: chi-squared is {:.3g} (p-value below 0.01), {} of {} entries are dropped",
                         trial.place(i), statistic, *trial.count(i).dropped, kDraws);
    });
  }
}

/// One draw of 10^8 there, a hundred calls of 10^6 in turn here: nothing so large has to lie in memory.
std::vector<Step> small_p_steps() {
  Step step = seeded_step(problem_of(1e-10, {1000000}));
  step.count_words = false;
  std::vector<Step> steps = {step};
  step.seed_slot.reset();
  steps.insert(steps.end(), 99, step);
  return steps;
}
void nothing_dropped(RivalTrial& trial) {
  std::uint64_t dropped = 0, n = 0;
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.shows(i)) continue;
    dropped += *trial.count(i).dropped;
    n += trial.count(i).elements;
  }
  if (n == 0) return;
  trial.require(dropped == 0, [&] {
    return fmt::format("{} of {} entries are dropped at p = 1e-10, where none is expected", dropped, n);
  });
}

std::vector<Step> known_word_steps() {
  std::vector<Step> steps;
  unsigned slot = 0;
  for (const std::int64_t n : {2, 3, 10, 100})
    for (const double p : {0.1, 0.5, 0.9})
      steps.push_back(seeded_step(problem_of(p, {n}), Input::ones, slot++));
  return steps;
}
void known_masks(RivalTrial& trial) { require_claimed_masks(trial); }

// --- Flax

std::vector<Step> layer_steps() {
  const Problem x = problem_of(0.5, {20, 20});
  return {seeded_step(x, Input::ones, 0), seeded_step(x, Input::ones, 1),
          seeded_step(in_eval(x), Input::ones, 0), seeded_step(in_eval(x), Input::ones, 1)};
}
void layer_differs(RivalTrial& trial) {
  require_other(trial, 0, 1, "the outputs of two keys");
  trial.require_equal(2, 3, "two keys in eval mode");
}

std::vector<Step> nine_rate_steps() {
  std::vector<Step> steps;
  unsigned slot = 0;
  for (int tenths = 1; tenths < 10; ++tenths)
    for (int trial = 0; trial < 10; ++trial)
      steps.push_back(seeded_step(problem_of(tenths / 10.0, {100, 100}), Input::ones, slot++));
  return steps;
}
void within_four_sigma(RivalTrial& trial) {
  for (std::size_t first = 0; first + 10 <= trial.size(); first += 10) {
    double n = 0, kept = 0;
    bool all = true;
    for (std::size_t i = first; i < first + 10; ++i) {
      all = trial.shows(i) && all;
      if (!all) break;
      n += static_cast<double>(trial.count(i).elements);
      kept += static_cast<double>(trial.count(i).elements - *trial.count(i).dropped);
    }
    if (!all) continue;
    const double p = trial.step(first).problem.p;
    require_within(trial, first, "the part that is kept of ten calls", kept / n, 1 - p,
                   4 * std::sqrt(p * (1 - p) / n));
  }
}

std::vector<Step> limit_steps() {
  return {seeded_step(problem_of(0, {20, 20})), seeded_step(problem_of(1, {20, 20})),
          with_gradient(seeded_step(problem_of(1, {20, 20})))};
}
void limits_hold(RivalTrial& trial) {
  trial.require_identity(0);
  const auto all = [&](std::size_t i, const std::vector<std::byte>& bytes, const char* what, auto holds) {
    std::uint64_t wrong = 0;
    const std::size_t n = trial.elements(i, bytes);
    for (std::size_t e = 0; e < n; ++e) wrong += holds(trial.value(i, bytes, e)) ? 0u : 1u;
    trial.require_all(n, wrong, [&] { return fmt::format("{}: {} {}", trial.place(i), wrong, what); });
  };
  if (trial.size() > 1 && trial.answered(1))
    all(1, trial.reply(1).y, "elements are not zero", [](double v) { return v == 0; });
  if (trial.size() > 2 && trial.answered(2))
    all(2, trial.reply(2).dx, "gradients are NaN", [](double v) { return !std::isnan(v); });
}

std::vector<Step> broadcast_steps() {
  return {seeded_step(problem_of(0.5, {10, 10, 10}, DType::f32, Op::dropout1d)),
          seeded_step(problem_of(0.5, {10, 10, 10, 10}, DType::f32, Op::dropout2d))};
}
void broadcast_whole(RivalTrial& trial) {
  require_whole_rows(trial, 0, 10);
  if (trial.size() > 1) require_whole_rows(trial, 1, 100);
}

std::vector<Step> same_key_steps() {
  const Problem x = problem_of(0.5, {20, 20});
  return {seeded_step(x), seeded_step(x)};
}
void same_key_equal(RivalTrial& trial) { trial.require_equal(0, 1, "one key, twice"); }

}  // namespace

RivalSuite jax_rival() {
  return {
      {"jax", "JAX's tests of Bernoulli numbers",
       "jax-ml/jax, tests/random_lax_test.py and tests/random_test.py"},
      {{.name = "bernoulli",
        .title = "chi-squared of 10^4 draws, p-value above 0.01",
        .foreign =
            {"tests/random_lax_test.py: testBernoulli; p 0.1, 0.5 and 0.9 as the dtype holds them, key 0; "
             "their two modes and compiled twins draw alike",
             sigma_text(2.5758, 0.1, kDraws), "mask_rate.drop_rate"},
        .cannot_see =
            "the rounding of p to the dtype, which they expect, and everything about places, calls and "
            "keys",
        .steps = bernoulli_steps,
        .judge = chi_squares,
        .keeps_elements = false},
       {.name = "small_p",
        .title = "no success in 10^8 draws at p = 1e-10",
        .foreign =
            {"tests/random_lax_test.py: the regression test of issue 28017; one array of 10^8 there, a "
             "hundred calls in turn here",
             "a drop probability of 1.4e-7 for 1e-10; a correct one fails with probability 0.01",
             "mask_rate.drop_rate"},
        .cannot_see = "anything at other p",
        .steps = small_p_steps,
        .judge = nothing_dropped,
        .keeps_elements = false},
       {.name = "known_words",
        .title = "masks of a claimed stream, bit by bit",
        .foreign =
            {"tests/random_test.py and tests/random_lax_test.py: known answers of threefry and philox; "
             "here those of the stream that the backend claims",
             "any difference; nothing where no stream is claimed", "exact_stream.masks"},
        .cannot_see = "whatever the claimed stream itself does badly",
        .steps = known_word_steps,
        .judge = known_masks}}};
}

RivalSuite flax_rival() {
  return {
      {"flax", "Flax's tests of its layer", "google/flax, tests/linen/linen_test.py: StochasticTest"},
      {{.name = "layer",
        .title = "two keys differ, eval does not",
        .foreign = {"tests/linen/linen_test.py: test_dropout; 20 x 20 at rate 0.5, key 0 split in two",
                    "no error of the rate; equal masks of two keys", "seed_determinism.other_seed"},
        .cannot_see = "masks that share most of their entries",
        .steps = layer_steps,
        .judge = layer_differs,
        .needs = {Feature::seeds}},
       {.name = "rate_stats",
        .title = "the kept part of 10^5 is within 4 standard deviations",
        .foreign =
            {"tests/linen/linen_test.py: test_dropout_rate_stats; rates 0.1 to 0.9, ten calls of 100 x 100",
             sigma_text(4, 0.1, 1e5), "mask_rate.drop_rate"},
        .cannot_see = "where the drops lie, and what calls have in common unless it moves the rate",
        .steps = nine_rate_steps,
        .judge = within_four_sigma,
        .keeps_elements = false},
       {.name = "rate_limits",
        .title = "rate 0 is the input, rate 1 is zero, no gradient is NaN",
        .foreign = {"tests/linen/linen_test.py: test_dropout_rate_limits", "any difference at rates 0 and 1",
                    "pytorch_semantics.extremes"},
        .cannot_see = "everything in between",
        .steps = limit_steps,
        .judge = limits_hold},
       {.name = "broadcast",
        .title = "an entry that is shared drops all or nothing",
        .foreign =
            {"tests/linen/linen_test.py: test_dropout_broadcast; here the shared dimensions that channel "
             "operators have",
             "any group that is dropped in part", "channel_correlation.whole_channels"},
        .cannot_see = "which groups are dropped",
        .steps = broadcast_steps,
        .judge = broadcast_whole},
       {.name = "same_key",
        .title = "one key gives one mask",
        .foreign = {"tests/linen/linen_test.py: test_dropout_manual_rng", "any difference under one key",
                    "seed_determinism.same_seed"},
        .cannot_see = "anything that repeats",
        .steps = same_key_steps,
        .judge = same_key_equal,
        .needs = {Feature::seeds}}}};
}

}  // namespace dropcheck::suites
