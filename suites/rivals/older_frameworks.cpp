// mlpack, Caffe and FlagGems.

#include <algorithm>
#include <cmath>

#include "harness/core/element.hpp"
#include "reference/pytorch_cpu_stream.hpp"
#include "reference/scale_forms.hpp"
#include "suites/dense_bytes.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/dialects/row_values.hpp"
#include "suites/foreign_looks.hpp"
#include "suites/rivals/rival_looks.hpp"

namespace dropcheck::suites {
namespace {

// --- mlpack

constexpr double kSimpleP = 0.2;

std::vector<Step> simple_steps() {
  const Problem x = problem_of(kSimpleP, {1000, 1}, DType::f64);
  return {with_gradient(seeded_step(x)), seeded_step(in_eval(x))};
}
void simple_holds(RivalTrial& trial) {
  means_within(trial, 0.05 / (1 - kSimpleP));  // their input is 0.8, ours 1
  if (trial.size() < 2 || !trial.answered(1)) return;
  trial.require(mean_of(trial, 1, trial.reply(1).y) == mean_of(trial, 1, trial.reply(1).x),
                [&] { return fmt::format("{}: the sum is not that of the input", trial.place(1)); });
}

std::vector<Step> ten_calls(Op op) {
  std::vector<Step> steps;
  unsigned slot = 0;
  for (const double p : {0.1, 0.3, 0.4, 0.7, 0.8}) {
    Step step = seeded_step(problem_of(p, {1500, 1}, DType::f64, op), Input::ones, slot++);
    steps.push_back(step);
    step.seed_slot.reset();
    steps.insert(steps.end(), 9, step);
  }
  return steps;
}
std::vector<Step> probability_steps() { return ten_calls(Op::dropout); }
std::vector<Step> alpha_probability_steps() { return ten_calls(Op::alpha_dropout); }
void kept_within_fifteen_percent(RivalTrial& trial) {
  for (std::size_t first = 0; first + 10 <= trial.size(); first += 10) {
    double n = 0, kept = 0;
    bool all = true;
    for (std::size_t i = first; i < first + 10 && all; ++i) {
      all = trial.shows(i);
      if (!all) break;
      n += static_cast<double>(trial.count(i).elements);
      kept += static_cast<double>(trial.count(i).elements - *trial.count(i).dropped);
    }
    if (!all) continue;
    const double expected = n * (1 - trial.step(first).problem.p),
                 error = std::fabs(kept - expected) / expected;
    trial.require(error <= 0.15, [&] {
      return fmt::format("{} and the 9 calls after it: {} of {} elements are kept, {:.2g} off",
                         trial.place(first), kept, n, error);
    });
  }
}

std::vector<Step> no_dropout_steps() {
  const Problem x = problem_of(0, {1500, 1}, DType::f64);
  return {seeded_step(x), seeded_step(in_eval(x))};
}
void sums_equal(RivalTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i)
    if (trial.answered(i))
      trial.require(mean_of(trial, i, trial.reply(i).y) == mean_of(trial, i, trial.reply(i).x),
                    [&] { return fmt::format("{}: the sum is not that of the input", trial.place(i)); });
}

// --- Caffe

const std::vector<std::int64_t>& blob() {
  static const std::vector<std::int64_t> shape = {2, 3, 4, 5};
  return shape;
}

std::vector<Step> caffe_steps() {
  std::vector<Step> steps;
  unsigned slot = 0;
  for (const double p : {0.5, 0.75})
    for (const DType dtype : {DType::f32, DType::f64})
      steps.push_back(seeded_step(problem_of(p, blob(), dtype), Input::random_reals, slot++));
  for (const DType dtype : {DType::f32, DType::f64})
    steps.push_back(seeded_step(in_eval(problem_of(0.5, blob(), dtype)), Input::random_reals));
  return steps;
}
void caffe_forward(RivalTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const Problem& problem = trial.step(i).problem;
    const Reply& reply = trial.reply(i);
    const double factor = problem.mode == Mode::train ? 1 / (1 - problem.p) : 1;  // a power of two: exact
    const std::size_t n = trial.elements(i, reply.y);
    std::uint64_t wrong = 0;
    for (std::size_t e = 0; e < n; ++e) {
      const double y = trial.value(i, reply.y, e);
      wrong += y == 0 || y == trial.value(i, reply.x, e) * factor ? 0u : 1u;
    }
    trial.require_all(n, wrong, [&] {
      return fmt::format("{}: {} kept values are not x times {}", trial.place(i), wrong, factor);
    });
    if (problem.mode == Mode::eval || !trial.shows(i)) continue;
    require_within(trial, i, "the rate of drops", trial.rate(i), problem.p,
                   1.96 * std::sqrt(problem.p * (1 - problem.p) / static_cast<double>(n)));
  }
}

constexpr double kStepSize = 0.01, kGradientBound = 1e-3;

/// x, x + h and x - h after one seed, in training and in eval mode: every element has its own quotient.
std::vector<Step> caffe_gradient_steps() {
  std::vector<Step> steps;
  const auto n = static_cast<std::size_t>(element_count(blob()));
  for (const Mode mode : {Mode::train, Mode::eval})
    for (const double shift : {0.0, kStepSize, -kStepSize}) {
      Problem x = problem_of(0.5, blob(), DType::f64);
      x.mode = mode;
      Step step = seeded_step(x);
      step.values.resize(n);
      for (std::size_t e = 0; e < n; ++e) {
        const double sign = e % 2 == 0 ? 1 : -1;
        step.values[e] = sign * (0.25 + static_cast<double>(e * 37 % n) / 64) + shift;
      }
      steps.push_back(shift == 0 ? with_gradient(std::move(step)) : std::move(step));
    }
  return steps;
}
void caffe_gradient(RivalTrial& trial) {
  for (std::size_t i = 0; i + 2 < trial.size(); i += 3) {
    if (!trial.answered(i) || !trial.answered(i + 1) || !trial.answered(i + 2)) continue;
    const Reply& reply = trial.reply(i);
    if (reply.dx.empty()) {
      trial.leave_out("no gradient came");
      continue;
    }
    const std::size_t n = trial.elements(i, reply.dx);
    std::uint64_t wrong = 0;
    for (std::size_t e = 0; e < n; ++e) {
      const double quotient =
          (trial.value(i + 1, trial.reply(i + 1).y, e) - trial.value(i + 2, trial.reply(i + 2).y, e)) /
          (2 * kStepSize);
      const double dx = trial.value(i, reply.dx, e);
      const double scale = std::max({std::fabs(dx), std::fabs(quotient), 1.0});
      wrong += std::fabs(dx - quotient) <= kGradientBound * scale ? 0u : 1u;
    }
    trial.require_all(n, wrong, [&] {
      return fmt::format("{}: {} of {} gradients are not the quotient of differences under one seed",
                         trial.place(i), wrong, n);
    });
  }
}

// --- FlagGems

constexpr double kAgreement = 0.05;

std::vector<Step> gems_steps() {
  std::vector<Step> steps;
  unsigned slot = 0;
  for (const auto& shape : std::vector<std::vector<std::int64_t>>{{1024, 1024}, {20, 320, 15}})
    for (const DType dtype : {DType::f16, DType::f32, DType::bf16})
      for (const double p : {0.3, 0.6, 0.9}) {
        Step step =
            with_gradient(seeded_step(problem_of(p, shape, dtype), Input::normals, slot++), Input::normals);
        step.count_words = false;
        steps.push_back(std::move(step));
      }
  return steps;
}
/// Elements of output and of gradient that are those of another dropout with a mask of its own: equal within
/// 1e-5 and the rounding of the dtype.
std::vector<double> agreement_look(const StepRecord& record) {
  const Problem& problem = record.step->problem;
  const DType dtype = problem.dtype;
  const std::size_t size = size_of(dtype);
  const double tolerance = 1e-5 + 4 * reference::unit_roundoff(dtype), q = 1 - problem.p;
  const auto n = static_cast<std::uint64_t>(element_count(problem.shape));
  const MaskBits other = stream_mask(record.seed.value_or(0) ^ 0x9e3779b97f4a7c15, problem.p, n);
  const auto agreeing = [&](const TensorView& result, std::span<const std::byte> in) {
    const std::vector<std::byte> y = dense_bytes(result);
    double equal = 0;
    for (std::uint64_t e = 0; e < n && (e + 1) * size <= y.size(); ++e) {
      const double expected = other[e] ? 0 : load_element(in.data() + e * size, dtype) / q;
      const double error = std::fabs(load_element(y.data() + e * size, dtype) - expected);
      equal += error <= 1e-8 + tolerance * std::fabs(expected) ? 1 : 0;
    }
    return equal;
  };
  std::vector<double> counts = {agreeing(record.y, record.x)};
  if (record.dx.data != nullptr) counts.push_back(agreeing(record.dx, record.dy));
  return counts;
}
void agreements_within(RivalTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const double p = trial.step(i).problem.p;
    const double expected = (p * p + (1 - p) * (1 - p)) * static_cast<double>(trial.count(i).elements);
    for (const double equal : trial.count(i).look)
      trial.require(std::fabs(equal - expected) / expected <= kAgreement, [&] {
        return fmt::format(
            "{}: {} elements are those of another dropout, {:.6g} are expected of independent masks",
            trial.place(i), equal, expected);
      });
  }
}

std::vector<Step> gems_zero_steps() {
  std::vector<Step> steps;
  unsigned slot = 0;
  for (const DType dtype : {DType::f16, DType::f32, DType::bf16})
    for (const double p : {0.3, 0.6, 0.9})
      steps.push_back(seeded_step(problem_of(p, {32768}, dtype), Input::ones, slot++));
  return steps;
}
void gems_zeros(RivalTrial& trial) { require_rates(trial, 0.05); }

/// The smallest error of p at which |agreement / expected - 1| = 0.05: the agreement is linear in the rate,
/// with slope 2 p - 1.
std::string agreement_text() {
  const double p = 0.9, n = 1024.0 * 1024;
  const double expected = p * p + (1 - p) * (1 - p);
  const double deviation = std::sqrt(expected * (1 - expected) / n);
  return fmt::format(
      "a drop probability off by {:.2g} at p = 0.9, and values off by more than 1e-5 and the rounding",
      visible(kAgreement * expected, deviation) / (2 * p - 1));
}

}  // namespace

RivalSuite mlpack_rival() {
  return {
      {"mlpack", "mlpack's tests of its layers",
       "mlpack/mlpack, src/mlpack/tests/ann/layer/dropout.cpp and alpha_dropout.cpp"},
      {{.name = "simple",
        .title = "mean of output and gradient within 0.05; eval keeps the sum",
        .foreign = {"SimpleDropoutLayerTest; 1000 elements of 0.8, p = 0.2",
                    fmt::format(
                        "a drop probability off by {:.2g} at p = 0.2",
                        visible(0.05 / (1 - kSimpleP), deviation_of_mean(kSimpleP, 1000)) * (1 - kSimpleP)),
                    "unbiasedness.mean"},
        .cannot_see = "where the drops lie, and whose mask the gradient has",
        .steps = simple_steps,
        .judge = simple_holds},
       {.name = "probability",
        .title = "the kept count of ten calls of 1500 within 15 %",
        .foreign = {"DropoutProbabilityTest; p 0.1, 0.3, 0.4, 0.7 and 0.8", rate_text(0.15 * 0.2, 0.8, 15000),
                    "mask_rate.drop_rate"},
        .cannot_see = "rates off by several per cent, and everything about places, calls and seeds",
        .steps = probability_steps,
        .judge = kept_within_fifteen_percent,
        .keeps_elements = false},
       {.name = "alpha_probability",
        .title = "the same of alpha dropout",
        .foreign = {"AlphaDropoutProbabilityTest", rate_text(0.15 * 0.2, 0.8, 15000), "mask_rate.drop_rate"},
        .cannot_see = "the two values, and what the plain one cannot see",
        .steps = alpha_probability_steps,
        .judge = kept_within_fifteen_percent,
        .keeps_elements = false},
       {.name = "no_dropout",
        .title = "p = 0 keeps the sum",
        .foreign = {"NoDropoutTest", "a sum that p = 0 changes", "pytorch_semantics.extremes"},
        .cannot_see = "anything that is drawn",
        .steps = no_dropout_steps,
        .judge = sums_equal}}};
}

RivalSuite caffe_rival() {
  return {{"caffe", "Caffe's tests of its layer", "BVLC/caffe, src/caffe/test/test_neuron_layer.cpp"},
          {{.name = "forward",
            .title = "rate of 120 within 1.96 standard errors, values exact, eval unchanged",
            .foreign = {"test_neuron_layer.cpp: TestDropoutForward at 0.5 and 0.75, TestDropoutTestPhase; "
                        "their seed is 1701; a "
                        "correct one fails one case in twenty",
                        sigma_text(1.96, 0.5, 120) + "; any wrong kept value", "mask_rate.drop_rate"},
            .cannot_see = "places, calls and seeds, and rates off by a few per cent",
            .steps = caffe_steps,
            .judge = caffe_forward},
           {.name = "gradient",
            .title = "the gradient is the quotient of differences under one seed",
            .foreign = {"test_neuron_layer.cpp: TestDropoutGradient, TestDropoutGradientTest; steps of 0.01, "
                        "bound 0.001",
                        "no error of the rate; any other mask in the gradient, or under the same seed",
                        "gradient_consistency.numerical"},
            .cannot_see = "whether the mask is right",
            .steps = caffe_gradient_steps,
            .judge = caffe_gradient,
            .needs = {Feature::seeds, Feature::backward}}}};
}

RivalSuite flaggems_rival() {
  return {
      {"flaggems", "FlagGems' test against PyTorch's mask",
       "flagos-ai/FlagGems, tests (test_accuracy_dropout) as of 935cbd5f and pull request 2636"},
      {{.name = "agreement",
        .title = "as many elements equal another dropout's as independent masks have in common",
        .foreign = {"test_accuracy_dropout: equal part within 5 % of p^2 + q^2, output and gradient; p 0.3, "
                    "0.6 and 0.9, three "
                    "dtypes; here two of four shapes, and the other mask is that of a Mersenne Twister with "
                    "another seed",
                    agreement_text(), "mask_rate.drop_rate"},
        .cannot_see = "where the drops lie, and at p near 0.5 the rate itself",
        .steps = gems_steps,
        .judge = agreements_within,
        .keeps_elements = false,
        .look = agreement_look},
       {.name = "zeros",
        .title = "the part of zeros of 32768 within 0.05",
        .foreign = {"test_accuracy_dropout, on a CPU", rate_text(0.05, 0.6, 32768), "mask_rate.drop_rate"},
        .cannot_see = "rates off by a few per cent, and everything about places, calls and seeds",
        .steps = gems_zero_steps,
        .judge = gems_zeros,
        .keeps_elements = false}}};
}

}  // namespace dropcheck::suites
