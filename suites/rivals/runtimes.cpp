// TransformerEngine, ONNX Runtime, oneDNN and Triton.

#include <algorithm>
#include <cmath>

#include "suites/dense_bytes.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/foreign_looks.hpp"
#include "suites/rivals/rival_looks.hpp"

namespace dropcheck::suites {
namespace {

// --- TransformerEngine

constexpr double kTwoSided = 2.5758;  // one per cent outside

/// What torch.testing.assert_close allows by itself.
double relative_of(DType dtype) {
  switch (dtype) {
    case DType::f16: return 1e-3;
    case DType::bf16: return 1.6e-2;
    case DType::f64: return 1e-7;
    default: return 1.3e-6;
  }
}
constexpr double kAbsolute = 1e-5;

std::vector<Step> fusible_steps() {
  std::vector<Step> steps;
  unsigned slot = 0;
  for (const double p : {0.0625, 0.5, 0.75})
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16})
      for (const auto& shape : std::vector<std::vector<std::int64_t>>{{101}, {2, 4, 16}, {128, 128}})
        for (const Mode mode : {Mode::train, Mode::eval}) {
          Problem x = problem_of(p, shape, dtype);
          x.mode = mode;
          steps.push_back(with_gradient(seeded_step(x, Input::random_reals, slot++), Input::random_reals));
        }
  return steps;
}
/// Those in training without gradients, for whoever has none.
std::vector<Step> fusible_zero_steps() {
  std::vector<Step> steps = fusible_steps();
  std::erase_if(steps, [](const Step& step) { return step.problem.mode == Mode::eval; });
  for (Step& step : steps) step.upstream.reset();
  return steps;
}
void fusible_values(RivalTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    if (trial.step(i).problem.mode == Mode::train) {
      const double relative = relative_of(trial.step(i).problem.dtype);
      require_kept_values(trial, i, kAbsolute, relative);
      require_gradient_by_output(trial, i, kAbsolute, relative);
      continue;
    }
    trial.require_identity(i);
    const Reply& reply = trial.reply(i);
    trial.require(reply.dx == reply.dy,
                  [&] { return fmt::format("{}: the gradient is not dy in eval mode", trial.place(i)); });
  }
}
void fusible_zeros(RivalTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    const double p = trial.step(i).problem.p;
    if (!draws_mask(trial.step(i).problem) || !trial.shows(i)) continue;
    require_within(trial, i, "the rate of drops", trial.rate(i), p,
                   kTwoSided * std::sqrt(p * (1 - p) / static_cast<double>(trial.count(i).elements)));
  }
}

// --- ONNX Runtime

Step counted_input(double p, const std::vector<std::int64_t>& shape, unsigned slot) {
  Step step = seeded_step(problem_of(p, shape), Input::ones, slot);
  step.values.resize(static_cast<std::size_t>(element_count(shape)));
  for (std::size_t e = 0; e < step.values.size(); ++e) step.values[e] = static_cast<double>(e + 1);
  step.want_mask = true;
  return step;
}
std::vector<Step> runtime_steps() {
  std::vector<Step> steps = {counted_input(0.75, {10, 10, 10}, 0), counted_input(0.25, {1000}, 1),
                             counted_input(0.5, {1000}, 2)};
  for (std::size_t i = 0; i < 2; ++i) {
    steps.push_back(steps[i]);
    steps.back().problem.mode = Mode::eval;
  }
  Step zero = counted_input(0, {1000}, 3);
  zero.problem.mode = Mode::eval;
  steps.push_back(std::move(zero));
  return steps;
}
/// Entries of a returned mask that say the opposite of y; -1 where none was returned.
std::vector<double> mask_look(const StepRecord& record) {
  if (record.mask.data == nullptr) return {-1};
  const std::vector<std::byte> y = dense_bytes(record.y), mask = dense_bytes(record.mask);
  const std::size_t size = size_of(record.step->problem.dtype);
  double wrong = 0;
  for (std::size_t e = 0; e < mask.size(); ++e) {
    const bool zero = std::all_of(y.begin() + static_cast<std::ptrdiff_t>(e * size),
                                  y.begin() + static_cast<std::ptrdiff_t>((e + 1) * size),
                                  [](std::byte b) { return b == std::byte{0}; });
    wrong += zero == (mask[e] == std::byte{0}) ? 0 : 1;
  }
  return {wrong};
}
void runtime_holds(RivalTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const Problem& problem = trial.step(i).problem;
    const auto& y = trial.reply(i).y;
    const double ratio = problem.mode == Mode::train ? problem.p : 0;
    const std::size_t n = trial.elements(i, y);
    double zeros = 0;
    std::uint64_t wrong = 0;
    for (std::size_t e = 0; e < n; ++e) {
      const double v = trial.value(i, y, e);
      zeros += v == 0 ? 1 : 0;
      wrong += v == 0 || std::fabs(v - static_cast<double>(e + 1) / (1 - ratio)) <= 0.01 ? 0u : 1u;
    }
    require_within(trial, i, "the rate of drops", zeros / static_cast<double>(n), ratio, 0.1);
    trial.require_all(n, wrong, [&] {
      return fmt::format("{}: {} outputs are more than 0.01 from x / (1 - ratio)", trial.place(i), wrong);
    });
    const double opposite = trial.count(i).look.at(0);
    if (opposite < 0) {
      trial.leave_out("no mask is returned");
      continue;
    }
    trial.require(opposite == 0, [&] {
      return fmt::format("{}: {} entries of the returned mask are not those of the output", trial.place(i),
                         opposite);
    });
  }
}

std::vector<Step> runtime_gradient_steps() {
  std::vector<Step> steps;
  unsigned slot = 0;
  const std::vector<std::pair<double, std::vector<std::int64_t>>> cases = {
      {0.2, {16}}, {0.3, {8, 2}}, {0.4, {2, 4, 2}}, {0.5, {2, 4, 2}}, {0.0, {16}}};
  for (const auto& [p, shape] : cases)
    steps.push_back(with_gradient(seeded_step(problem_of(p, shape), Input::ones, slot++)));
  return steps;
}
void runtime_gradients(RivalTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) require_gradient_by_output(trial, i, 1e-3, 0);
}

// --- oneDNN

/// The same calls of two instances: a few shapes and p, each twice after one seed.
std::vector<Step> two_instances_steps() {
  std::vector<Step> steps;
  for (const unsigned number : {0u, 1u}) {
    unsigned slot = 0;
    for (const double p : {0.1, 0.5, 0.75})
      for (const auto& shape : std::vector<std::vector<std::int64_t>>{{13}, {2, 17, 5, 5}, {64, 257}}) {
        steps.push_back(seeded_step(problem_of(p, shape), Input::random_reals, slot++));
        steps.push_back(next_step(problem_of(p, shape), Input::random_reals));
        for (std::size_t s = steps.size() - 2; s < steps.size(); ++s) steps[s].instance.number = number;
      }
  }
  return steps;
}
void library_agrees_with_itself(RivalTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) require_kept_values(trial, i, 1e-6, 1e-6);
  if (require_claimed_masks(trial)) return;
  const std::size_t half = trial.size() / 2;
  for (std::size_t i = 0; i < half; ++i) trial.require_equal(i, half + i, "two instances after one seed");
}

// --- Triton

constexpr std::int64_t kUniforms = 100000;

std::vector<Step> uniform_steps() {
  std::vector<Step> steps;
  for (unsigned slot = 0; slot < 4; ++slot)
    for (int tenths = 1; tenths < 10; ++tenths)
      steps.push_back(seeded_step(problem_of(tenths / 10.0, {kUniforms}), Input::ones, slot));
  return steps;
}
void distances_below(RivalTrial& trial) { require_rates(trial, 0.01); }

std::vector<Step> randint_steps() {
  std::vector<Step> steps;
  const std::uint64_t seeds[] = {0, 42, 124, 54, 0xffffffff, 0xfcafeb0ba};
  for (const auto& shape : std::vector<std::vector<std::int64_t>>{{10}, {4, 53}, {400}})
    for (const std::uint64_t seed : seeds) {
      Step step = seeded_step(problem_of(0.5, shape));
      step.seed_slot.reset();
      step.own_seed = seed;
      step.expect_error = true;  // one has more bits than some seeds
      steps.push_back(std::move(step));
    }
  return steps;
}
void known_masks(RivalTrial& trial) { require_claimed_masks(trial); }

}  // namespace

RivalSuite transformer_engine_rival() {
  return {{"transformer_engine", "TransformerEngine's test of its dropout operation",
           "NVIDIA/TransformerEngine, tests/pytorch/test_fusible_ops.py: test_dropout as of e0e3d123 (pull "
           "request "
           "2014)"},
          {{.name = "values",
            .title = "output and gradient follow the mask of the output; eval is the identity",
            .foreign = {"tests/pytorch/test_fusible_ops.py: test_dropout, values; p 0.0625, 0.5 and 0.75, "
                        "sizes 101, 128 "
                        "and 16384, f32, f16 and bf16",
                        "no error of the rate at all; any other mask in the gradient, and values off by the "
                        "tolerance of "
                        "the dtype",
                        "gradient_consistency.same_mask"},
            .cannot_see = "whether the mask is right",
            .steps = fusible_steps,
            .judge = fusible_values},
           {.name = "zeros",
            .title = "the number of zeros is inside the 99 % interval",
            .foreign = {"tests/pytorch/test_fusible_ops.py: test_dropout, |z| < 2.5758 in each case; a "
                        "correct one fails "
                        "one case in a hundred, so that they fix the seed",
                        sigma_text(kTwoSided, 0.5, 16384), "mask_rate.drop_rate"},
            .cannot_see =
                "p that 8 bits do not hold: all of theirs are multiples of 1/16; places, calls and seeds",
            .steps = fusible_zero_steps,
            .judge = fusible_zeros,
            .keeps_elements = false}}};
}

RivalSuite onnxruntime_rival() {
  return {{"onnxruntime", "ONNX Runtime's tests of Dropout and DropoutGrad",
           "microsoft/onnxruntime, orttraining/orttraining/test/training_ops/cpu/nn/dropout_op_test.cc"},
          {{.name = "output",
            .title = "rate of 1000 within 0.1, values within 0.01, mask as output",
            .foreign = {"dropout_op_test.cc: RunDropoutTest; ratios 0.25, 0.5 and 0.75, in training and out "
                        "of it; their "
                        "seed is 42; the fused variants are left out",
                        rate_text(0.1, 0.5, 1000), "mask_rate.drop_rate"},
            .cannot_see =
                "ratio 1, which their verifier does not reach, and everything about places, calls and seeds",
            .steps = runtime_steps,
            .judge = runtime_holds,
            .look = mask_look},
           {.name = "gradient",
            .title = "the gradient of 16 elements follows the mask",
            .foreign = {"dropout_op_test.cc: RunDropoutGradTest; their mask is made by the test, here it is "
                        "read off the "
                        "output",
                        "no error of the rate at all; any other mask or scale", "gradient_consistency.value"},
            .cannot_see = "tensors of more than 16 elements",
            .steps = runtime_gradient_steps,
            .judge = runtime_gradients}}};
}

RivalSuite onednn_rival() {
  return {{"onednn", "oneDNN's way: the library against its own generator",
           "uxlfoundation/oneDNN, tests/benchdnn (maybe_dropout, a copy of the library's ref_dropout)"},
          {{.name = "own_recipe",
            .title = "masks of the claimed recipe, or of a second instance, bit by bit",
            .foreign = {"tests/benchdnn: maybe_dropout calls the library's own philox4x32; here the stream "
                        "that the backend "
                        "claims, or another instance of it under the same seed",
                        "no error of the rate at all; any difference between two instances",
                        "exact_stream.masks"},
            .cannot_see = "whatever the generator itself does badly: it is its own oracle",
            .steps = two_instances_steps,
            .judge = library_agrees_with_itself,
            .needs = {Feature::seeds}}}};
}

RivalSuite triton_rival() {
  return {{"triton", "Triton's tests of its random numbers",
           "triton-lang/triton, python/test/unit/language/test_random.py"},
          {{.name = "rand",
            .title = "distribution of 10^5 uniforms within 0.01, seen at nine thresholds",
            .foreign =
                {"python/test/unit/language/test_random.py: test_rand, Kolmogorov-Smirnov distance below "
                 "0.01, seeds 0, "
                 "42, 124 and 54; a mask shows the distribution at its p, so p 0.1 to 0.9 stand for the axis",
                 rate_text(0.01, 0.5, kUniforms), "mask_rate.drop_rate"},
            .cannot_see = "errors of the distribution between the thresholds, the order of the numbers, "
                          "offsets beyond 10^5",
            .steps = uniform_steps,
            .judge = distances_below,
            .keeps_elements = false},
           {.name = "randint",
            .title = "masks of a claimed stream for six seeds, bit by bit",
            .foreign = {"python/test/unit/language/test_random.py: test_randint against a Philox in NumPy; "
                        "sizes 10, 4 x 53 and "
                        "400, six fixed seeds with one of 36 bits; here the stream that the backend claims",
                        "any difference; nothing where no stream is claimed", "exact_stream.masks"},
            .cannot_see = "whatever the claimed stream itself does badly",
            .steps = randint_steps,
            .judge = known_masks,
            .needs = {Feature::seeds}}}};
}

}  // namespace dropcheck::suites
