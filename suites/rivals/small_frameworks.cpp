// tinygrad, MLX and Burn.

#include <algorithm>
#include <cmath>

#include "suites/dialects/row_steps.hpp"
#include "suites/foreign_looks.hpp"
#include "suites/mask_observer.hpp"
#include "suites/rivals/rival_looks.hpp"

namespace dropcheck::suites {
namespace {

// --- tinygrad

constexpr double kMillion = 1e6;

std::vector<Step> million_steps() { return {seeded_step(problem_of(0.1, {1000000}))}; }
void million_kept(RivalTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.shows(i)) continue;
    const double expected = kMillion * 0.9;
    require_within(trial, i, "the kept count", kMillion * (1 - trial.rate(i)), expected, 2e-3 * expected);
  }
}

std::vector<Step> band_steps() {
  return {seeded_step(problem_of(0.5, {256})), seeded_step(problem_of(0.5, {512}), Input::ones, 1)};
}
void zeros_in_band(RivalTrial& trial) {
  const double least[] = {100, 200}, most[] = {156, 312};
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const auto& y = trial.reply(i).y;
    double zeros = 0;
    std::uint64_t others = 0;
    const std::size_t n = trial.elements(i, y);
    for (std::size_t e = 0; e < n; ++e) {
      const double v = trial.value(i, y, e);
      zeros += v == 0 ? 1 : 0;
      others += v == 0 || v == 2 ? 0u : 1u;
    }
    trial.require(zeros > least[i] && zeros < most[i], [&] {
      return fmt::format("{}: {} zeros, not between {} and {}", trial.place(i), zeros, least[i], most[i]);
    });
    trial.require_all(
        n, others, [&] { return fmt::format("{}: {} values are neither 0 nor 2", trial.place(i), others); });
  }
}

std::vector<Step> known_steps() {
  return {seeded_step(problem_of(0.5, {20})), next_step(problem_of(0.5, {20})),
          seeded_step(problem_of(0.1, {300}), Input::ones, 1)};
}
void known_masks(RivalTrial& trial) { require_claimed_masks(trial); }

// --- MLX

std::vector<Step> shape_steps() {
  std::vector<Step> steps;
  for (const auto& [op, shape] : std::vector<std::pair<Op, std::vector<std::int64_t>>>{
           {Op::dropout, {2, 4}}, {Op::dropout2d, {2, 4, 4, 4}}, {Op::dropout3d, {2, 4, 4, 4, 4}}})
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16})
      steps.push_back(seeded_step(problem_of(0.5, shape, dtype, op)));
  return steps;
}
void shape_and_dtype_kept(RivalTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const Observation& seen = trial.reply(i).seen;
    const Problem& problem = trial.step(i).problem;
    if (seen.produced_shape.empty() || !seen.produced_dtype) {
      trial.leave_out("the backend does not tell shape and dtype of its result");
      continue;
    }
    trial.require(seen.produced_shape == problem.shape && *seen.produced_dtype == problem.dtype, [&] {
      return fmt::format("{}: the result is {} of shape [{}]", trial.place(i),
                         to_string(*seen.produced_dtype), fmt::join(seen.produced_shape, ", "));
    });
  }
}

// --- Burn

std::vector<Step> proportion_steps() {
  return {seeded_step(problem_of(0.3, {40, 40})), seeded_step(problem_of(0.3, {40, 40}), Input::ones, 1)};
}
void proportions_within(RivalTrial& trial) { require_rates(trial, 0.05); }

constexpr std::int64_t kSide = 512;

std::vector<Step> runs_steps() { return {seeded_step(problem_of(0.5, {kSide, kSide}))}; }
std::vector<double> runs_look(const StepRecord& record) {
  if (record.dropped == nullptr) return {};
  const MaskBits& drops = *record.dropped;
  double runs = drops.size() > 0 ? 1 : 0;
  for (std::uint64_t e = 1; e < drops.size(); ++e) runs += drops[e] != drops[e - 1] ? 1 : 0;
  return {runs};
}
/// Wald and Wolfowitz: n0 and n1 entries of each kind make 2 n0 n1 / n + 1 runs on the average.
void runs_within(RivalTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.shows(i)) continue;
    const auto n = static_cast<double>(trial.count(i).elements),
               n0 = static_cast<double>(*trial.count(i).dropped);
    const double n1 = n - n0, product = 2 * n0 * n1;
    const double variance = product * (product - n) / (n * n * (n - 1));
    const double z = (trial.count(i).look.at(0) - product / n - 1) / std::sqrt(variance);
    trial.require(std::fabs(z) < 2.6,
                  [&] { return fmt::format("{}: the number of runs has z = {:.3g}", trial.place(i), z); });
  }
}

std::vector<Step> layer_steps() {
  const Problem x = problem_of(0.5, {100, 100});
  return {seeded_step(x), seeded_step(in_eval(x)), refused_step(problem_of(-10, {4})),
          refused_step(problem_of(10, {4}))};
}
void layer_holds(RivalTrial& trial) {
  if (trial.size() < 4) return;
  if (trial.answered(0))
    trial.require(trial.reply(0).y != trial.reply(0).x,
                  [&] { return fmt::format("{} returns its input", trial.place(0)); });
  trial.require_identity(1);
  trial.require_refusal(2, "");
  trial.require_refusal(3, "");
}

}  // namespace

RivalSuite tinygrad_rival() {
  return {
      {"tinygrad", "tinygrad's tests of Tensor.dropout and of its generator",
       "tinygrad/tinygrad, test/test_tensor.py, test/test_multitensor.py and test/test_randomness.py"},
      {{.name = "count",
        .title = "the kept count of 10^6 within 0.2 %",
        .foreign = {"test/test_tensor.py: test_dropout; rate 0.1, rtol 2e-3",
                    rate_text(2e-3 * 0.9, 0.1, kMillion), "mask_rate.drop_rate"},
        .cannot_see = "other p, where the drops lie, what calls and seeds have in common",
        .steps = million_steps,
        .judge = million_kept,
        .keeps_elements = false},
       {.name = "shards",
        .title = "zeros of 256 and 512 in a band, values 0 and 2",
        .foreign = {"test/test_multitensor.py: test_dropout_on_shard and _axis, 100 to 156 of 256 and 200 to "
                    "312 of 512; on one device here",
                    rate_text(56.0 / 512, 0.5, 512), "mask_rate.drop_rate"},
        .cannot_see = "shards that draw the same mask",
        .steps = band_steps,
        .judge = zeros_in_band},
       {.name = "known_words",
        .title = "masks of a claimed stream, bit by bit",
        .foreign = {"test/test_randomness.py: known answers of threefry; here those of the stream that the "
                    "backend claims",
                    "any difference; nothing where no stream is claimed", "exact_stream.masks"},
        .cannot_see =
            "whatever the claimed stream itself does badly; their two-sample tests of uniforms are left out, "
            "since a mask has two values",
        .steps = known_steps,
        .judge = known_masks,
        .needs = {Feature::seeds}}}};
}

RivalSuite mlx_rival() {
  return {
      {"mlx", "MLX's tests of its layers",
       "ml-explore/mlx, python/tests/test_nn.py (comparing since pull request 1323)"},
      {{.name = "shape_and_dtype",
        .title = "the result has the shape and dtype of the input",
        .foreign =
            {"python/tests/test_nn.py: test_dropout, test_dropout2d, test_dropout3d; p = 0.5, three dtypes",
             "no error of the rate; another shape or dtype", "pytorch_semantics.shape_and_dtype"},
        .cannot_see = "every value and every mask",
        .steps = shape_steps,
        .judge = shape_and_dtype_kept}}};
}

RivalSuite burn_rival() {
  return {
      {"burn", "Burn's tests of Bernoulli numbers and of its layer",
       "tracel-ai/burn, crates/burn-nn (Dropout), and tracel-ai/cubek, random tests"},
      {{.name = "proportion",
        .title = "the part of ones in 40 x 40 within 0.05",
        .foreign = {"cubek, random: number_of_1_proportional_to_prob, f32 and i32; p = 0.7 is kept, seed 0",
                    rate_text(0.05, 0.3, 1600), "mask_rate.drop_rate"},
        .cannot_see = "rates off by a few per cent, and everything about places, calls and seeds",
        .steps = proportion_steps,
        .judge = proportions_within,
        .keeps_elements = false},
       {.name = "runs",
        .title = "number of runs in 512 x 512, |z| below 2.6",
        .foreign = {"cubek, random: wald_wolfowitz_runs_test, p = 0.5, seed 0; a correct one fails with "
                    "probability 0.009",
                    fmt::format("no error of the rate; a correlation of neighbours of {:.2g}",
                                (2.6 + kZOfPower) / kSide),
                    "channel_correlation.lags"},
        .cannot_see = "dependence at any distance but one",
        .steps = runs_steps,
        .judge = runs_within,
        .keeps_elements = false,
        .look = runs_look},
       {.name = "layer",
        .title = "training changes the input, eval does not; probabilities -10 and 10 are refused",
        .foreign = {"crates/burn-nn, Dropout: with_ad_backend_should_mark_input, "
                    "without_ad_backend_should_not_change_input, "
                    "dropout_prob_invalid",
                    "a layer that does nothing in training or something in eval",
                    "pytorch_semantics.eval_identity"},
        .cannot_see = "all but the coarsest errors",
        .steps = layer_steps,
        .judge = layer_holds}}};
}

}  // namespace dropcheck::suites
