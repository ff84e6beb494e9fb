// Keras and TensorFlow. A mask that is shared along a dimension is what a channel operator has; where theirs
// is shared along another one, the dimensions change places.

#include <algorithm>
#include <cmath>
#include <limits>

#include "suites/dialects/row_steps.hpp"
#include "suites/foreign_looks.hpp"
#include "suites/rivals/rival_looks.hpp"

namespace dropcheck::suites {
namespace {

// --- Keras

std::vector<Step> rescaling_steps() { return {seeded_step(problem_of(0.5, {20, 500}))}; }
void rescaled(RivalTrial& trial) {
  if (!trial.answered(0)) return;
  const auto& y = trial.reply(0).y;
  require_within(trial, 0, "the mean of the output", mean_of(trial, 0, y), 1, 0.02);
  double largest = 0;
  for (std::size_t e = 0; e < trial.elements(0, y); ++e) largest = std::max(largest, trial.value(0, y, e));
  require_within(trial, 0, "the largest output", largest, 2, 4e-6);  // rtol 1e-6, atol 1e-6
}

/// [20, 5, 10] with a mask of [20, 1, 10] there: the shared dimension comes last here.
std::vector<Step> noise_shape_steps() {
  return {seeded_step(problem_of(0.5, {20, 10, 5}, DType::f32, Op::dropout1d))};
}
void first_two_equal(RivalTrial& trial) {
  if (!trial.answered(0)) return;
  const auto& y = trial.reply(0).y;
  std::uint64_t wrong = 0;
  for (std::size_t row = 0; row < 200; ++row)
    wrong += std::fabs(trial.value(0, y, row * 5) - trial.value(0, y, row * 5 + 1)) <= 4e-6 ? 0u : 1u;
  trial.require_all(200, wrong, [&] {
    return fmt::format("{}: {} of 200 pairs that share an entry of the mask differ", trial.place(0), wrong);
  });
}

std::vector<Step> bad_rate_steps() {
  return {refused_step(problem_of(-0.5, {2, 3})), refused_step(problem_of(1.5, {2, 3}))};
}

std::vector<Step> random_dropout_steps() {
  return {seeded_step(problem_of(0, {3, 5})), seeded_step(problem_of(0.5, {10, 10}))};
}
void random_dropout_holds(RivalTrial& trial) {
  trial.require_identity(0);
  if (trial.size() < 2 || !trial.answered(1)) return;
  const auto& y = trial.reply(1).y;
  std::size_t zeros = 0;
  double largest = 0;
  for (std::size_t e = 0; e < trial.elements(1, y); ++e) {
    zeros += trial.value(1, y, e) == 0 ? 1 : 0;
    largest = std::max(largest, trial.value(1, y, e));
  }
  trial.require(largest > 1 && zeros > 2, [&] {
    return fmt::format("{}: the largest output is {}, and {} of 100 are zero", trial.place(1), largest,
                       zeros);
  });
}

// --- TensorFlow

constexpr unsigned kIterations = 10;

std::vector<Step> ten_times(const std::vector<std::int64_t>& shape, Op op) {
  std::vector<Step> steps;
  unsigned slot = 0;
  for (const double keep : {0.1, 0.5, 0.8}) {
    Step step = seeded_step(problem_of(1 - keep, shape, DType::f32, op), Input::ones, slot++);
    steps.push_back(step);
    step.seed_slot.reset();
    steps.insert(steps.end(), kIterations - 1, step);
  }
  return steps;
}
std::vector<Step> plain_steps() { return ten_times({40, 30}, Op::dropout); }
std::vector<Step> partial_steps() { return ten_times({1, 1200, 3}, Op::dropout1d); }
std::vector<Step> shaped_steps() { return ten_times({1, 40, 30}, Op::dropout1d); }

/// The kept count of ten calls within 15 %, and the least two values of each: 0 and 1 / keep.
void counts_within_fifteen_percent(RivalTrial& trial) {
  for (std::size_t first = 0; first + kIterations <= trial.size(); first += kIterations) {
    double kept = 0, n = 0;
    bool all = true;
    const double keep = 1 - trial.step(first).problem.p;
    for (std::size_t i = first; i < first + kIterations && all; ++i) {
      all = trial.answered(i);
      if (!all) break;
      const auto& y = trial.reply(i).y;
      double least = std::numeric_limits<double>::infinity(), second = least;
      for (std::size_t e = 0; e < trial.elements(i, y); ++e) {
        const double v = trial.value(i, y, e);
        kept += v != 0 ? 1 : 0;
        ++n;
        if (v < least) {
          second = least;
          least = v;
        } else if (v > least && v < second) {
          second = v;
        }
      }
      trial.require(least == 0 && std::fabs(second - 1 / keep) <= 1e-6 + 1e-6 / keep, [&] {
        return fmt::format("{}: the least values are {} and {}, not 0 and {}", trial.place(i), least, second,
                           1 / keep);
      });
    }
    if (!all) continue;
    const double error = std::fabs(kept - n * keep) / (n * keep);
    trial.require(error < 0.15, [&] {
      return fmt::format("{} and the {} calls after it: {} of {} elements are kept, {:.2g} off",
                         trial.place(first), kIterations - 1, kept, n, error);
    });
  }
}
void rows_whole(RivalTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) require_whole_rows(trial, i, 30);
}

std::vector<Step> invalid_rate_steps() {
  return {refused_step(problem_of(-1, {40, 30})), refused_step(problem_of(1.1, {40, 30}))};
}
std::vector<Step> zero_rate_steps() { return {seeded_step(problem_of(0, {40, 30}), Input::random_reals)}; }

}  // namespace

RivalSuite keras_rival() {
  return {
      {"keras", "Keras' tests of its layer and of random.dropout",
       "keras-team/keras, keras/src/layers/regularization/dropout_test.py and "
       "keras/src/random/random_test.py "
       "(shape and rate since pull request 22312)"},
      {{.name = "rescaling",
        .title = "mean of 10^4 outputs within 0.02, the largest is 2",
        .foreign =
            {"dropout_test.py: test_dropout_rescaling; rate 0.5, seed 1337; 4.6 % of all seeds fail it",
             fmt::format("a drop probability off by {:.2g} at p = 0.5; the largest value off by 4e-6",
                         visible(0.02, 0.01) * 0.5),
             "unbiasedness.kept_value"},
        .cannot_see = "where the drops lie, and kept values below the largest",
        .steps = rescaling_steps,
        .judge = rescaled},
       {.name = "noise_shape",
        .title = "two slices that share the mask are equal",
        .foreign = {"dropout_test.py: test_dropout_partial_noise_shape_static and _dynamic",
                    "any difference of the first two slices", "channel_correlation.whole_channels"},
        .cannot_see = "the other slices, and which entries are dropped",
        .steps = noise_shape_steps,
        .judge = first_two_equal},
       {.name = "bad_rate",
        .title = "rates -0.5 and 1.5 are refused",
        .foreign = {"dropout_test.py: test_dropout_negative_rate, test_dropout_rate_greater_than_one",
                    "acceptance of -0.5 or 1.5", "pytorch_semantics.bad_p"},
        .cannot_see = "anything that is drawn",
        .steps = bad_rate_steps,
        .judge = require_refusals},
       {.name = "random_dropout",
        .title = "rate 0 is the input; of 100 more than two are zero and some are scaled",
        .foreign = {"random_test.py: test_dropout; 10 x 10 at rate 0.5",
                    "a drop probability of 1e-4 or less for 0.5, or no scale at all", "mask_rate.drop_rate"},
        .cannot_see = "all but the coarsest errors",
        .steps = random_dropout_steps,
        .judge = random_dropout_holds}}};
}

RivalSuite tensorflow_rival() {
  return {{"tensorflow", "TensorFlow's tests of tf.nn.dropout",
           "tensorflow/tensorflow, tensorflow/python/ops/nn_test.py: DropoutTest"},
          {{.name = "count",
            .title = "the kept count of ten calls of 1200 within 15 %",
            .foreign = {"nn_test.py: testDropout; keep 0.1, 0.5 and 0.8", rate_text(0.15 * 0.1, 0.9, 12000),
                        "mask_rate.drop_rate"},
            .cannot_see =
                "at keep 0.8 a rate of drops of 0.3; kept values above the least; everything about places "
                "and calls",
            .steps = plain_steps,
            .judge = counts_within_fifteen_percent},
           {.name = "partial_shape",
            .title = "the same with a mask entry for each row of three",
            .foreign = {"nn_test.py: testPartialShapedDropout; 1200 x 3, keep 0.1, 0.5 and 0.8",
                        rate_text(0.15 * 0.1, 0.9, 12000), "channel_correlation.channels"},
            .cannot_see = "as the plain count; rows that are dropped in part",
            .steps = partial_steps,
            .judge = counts_within_fifteen_percent},
           {.name = "shaped_correlation",
            .title = "a row has one value",
            .foreign = {"nn_test.py: testShapedDropoutCorrelation; 40 rows of 30",
                        "any row that is dropped in part", "channel_correlation.whole_channels"},
            .cannot_see = "which rows are dropped",
            .steps = shaped_steps,
            .judge = rows_whole},
           {.name = "invalid_rate",
            .title = "rates -1 and 1.1 are refused",
            .foreign = {"nn_test.py: testInvalidRate", "acceptance of -1 or 1.1", "pytorch_semantics.bad_p"},
            .cannot_see = "anything that is drawn",
            .steps = invalid_rate_steps,
            .judge = require_refusals},
           {.name = "rate_zero",
            .title = "rate 0 is the input",
            .foreign = {"nn_test.py: testNoDropout", "any difference at p = 0", "pytorch_semantics.extremes"},
            .cannot_see = "anything that is drawn",
            .steps = zero_rate_steps,
            .judge = require_identities}}};
}

}  // namespace dropcheck::suites
