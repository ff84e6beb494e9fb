#pragma once
// Short ways to write the steps of a row.

#include <string>
#include <utility>
#include <vector>

#include "harness/core/sample.hpp"

namespace dropcheck::suites {

/// What most rows begin with: dropout of that p on a contiguous tensor of that shape.
inline Problem problem_of(double p, std::vector<std::int64_t> shape, DType dtype = DType::f32,
                          Op op = Op::dropout) {
  Problem problem;
  problem.op = op;
  problem.p = p;
  problem.dtype = dtype;
  problem.shape = std::move(shape);
  return problem;
}

/// Reseeds with the block's seed number `slot`. What the backend does not claim is left out.
inline Step seeded_step(Problem problem, Input input = Input::ones, unsigned slot = 0) {
  Step step;
  step.problem = std::move(problem);
  step.seed_slot = slot;
  step.input = input;
  step.skip_unclaimed = true;
  step.count_words = true;
  return step;
}

/// Continues the stream.
inline Step next_step(Problem problem, Input input = Input::ones) {
  Step step = seeded_step(std::move(problem), input);
  step.seed_slot.reset();
  return step;
}

/// A step whose refusal is an outcome. Dtypes and layouts that the backend does not claim are asked for all
/// the same.
inline Step refused_step(Problem problem, Input input = Input::ones) {
  Step step = seeded_step(std::move(problem), input);
  step.expect_error = true;
  return step;
}

inline Problem in_eval(Problem problem) {
  problem.mode = Mode::eval;
  return problem;
}
inline Problem in_place(Problem problem) {
  problem.in_place = true;
  return problem;
}
inline Problem with_layout(Problem problem, Layout layout) {
  problem.layout = layout;
  return problem;
}

/// The same step through another form of the operator, e.g. "native_dropout".
inline Step through(Step step, const std::string& form) {
  step.attributes["form"] = form;
  return step;
}

}  // namespace dropcheck::suites
