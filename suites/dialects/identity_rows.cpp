// Rows 11-13, 20 and 21: calls that return their input and draw nothing, and one that draws all the same.

#include "reference/pytorch_cpu_stream.hpp"
#include "suites/dialects/pytorch.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/dialects/row_values.hpp"

namespace dropcheck::suites {
namespace {

/// Ranks 0 to 6, dtypes, layouts, operators and interfaces.
std::vector<Step> calls_everywhere(double p) {
  std::vector<Problem> problems;
  for (const std::vector<std::int64_t>& shape : std::vector<std::vector<std::int64_t>>{
           {}, {45}, {3, 5}, {2, 3, 8}, {2, 3, 2, 4}, {2, 2, 2, 2, 2}, {2, 1, 2, 4, 1, 2}})
    problems.push_back(problem_of(p, shape));
  for (const DType dtype : {DType::f64, DType::f16, DType::bf16})
    problems.push_back(problem_of(p, {45}, dtype));
  for (const Layout layout : {Layout::transposed, Layout::strided, Layout::shifted, Layout::expanded})
    problems.push_back(with_layout(problem_of(p, {6, 10}), layout));
  problems.push_back(with_layout(problem_of(p, {2, 3, 4, 5}), Layout::channels_last));
  problems.push_back(with_layout(problem_of(p, {2, 3, 2, 4, 5}), Layout::channels_last_3d));
  for (const Op op : {Op::dropout2d, Op::alpha_dropout, Op::feature_alpha_dropout})
    problems.push_back(problem_of(p, {2, 3, 4, 5}, DType::f32, op));
  problems.push_back(in_place(problem_of(p, {45})));
  problems.push_back(in_place(with_layout(problem_of(p, {6, 10}, DType::f64), Layout::transposed)));
  std::vector<Step> steps;
  for (const Problem& problem : problems) steps.push_back(next_step(problem, Input::extremes));
  for (const char* form : {"module", "functional"})
    for (const Op op : {Op::dropout, Op::dropout2d, Op::alpha_dropout, Op::feature_alpha_dropout})
      steps.push_back(through(next_step(problem_of(p, {2, 3, 4, 5}, DType::f32, op), Input::extremes), form));
  return steps;
}

std::vector<Step> eval_calls() {
  std::vector<Step> steps;
  for (const double p : {0.1, 0.5, 1.0})
    for (Step& step : calls_everywhere(p)) {
      step.problem.mode = Mode::eval;
      steps.push_back(std::move(step));
    }
  return between_draws(std::move(steps));
}

std::vector<Step> calls_with_p_0() { return between_draws(calls_everywhere(0.0)); }

std::vector<Step> empty_calls() {
  std::vector<Step> steps;
  for (const double p : {0.1, 0.5, 1.0, 0.0}) {
    for (const std::vector<std::int64_t>& shape :
         std::vector<std::vector<std::int64_t>>{{0}, {0, 3}, {2, 0, 3}, {4, 3, 0, 2}}) {
      steps.push_back(next_step(problem_of(p, shape)));
      steps.push_back(next_step(in_place(problem_of(p, shape))));
      for (const Op op : {Op::dropout2d, Op::alpha_dropout})
        steps.push_back(next_step(problem_of(p, shape, DType::f32, op)));
    }
    steps.push_back(next_step(problem_of(p, {0}, DType::f64)));
    steps.push_back(next_step(with_layout(problem_of(p, {4, 0}), Layout::transposed)));
  }
  return between_draws(std::move(steps));
}

void judge_identity(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!is_quiet(trial, i)) continue;
    trial.require_identity(i);
    trial.require_alias(i, true);
    const Reply& reply = trial.reply(i);
    if (!reply.answered() || reply.seen.produced_shape.empty()) continue;  // rank 0, or not told
    trial.require(reply.seen.produced_shape == trial.step(i).problem.shape, [&] {
      return fmt::format("{} has a result of shape [{}]", trial.place(i),
                         fmt::join(reply.seen.produced_shape, ", "));
    });
  }
  require_nothing_drawn(trial);
}

// --- 20

std::vector<Step> calls_with_p_1() { return between_draws(calls_everywhere(1.0)); }

void judge_p_1(RowTrial& trial) {
  require_nothing_drawn(trial);
  for (std::size_t i = 0; i < trial.size(); ++i)
    if (is_quiet(trial, i) && trial.answered(i) && !trial.step(i).problem.in_place)
      trial.require_alias(i, false);
}

// --- 21

constexpr std::int64_t kAfter = 256;

std::vector<Step> native_at_the_ends() {
  std::vector<Step> steps;
  for (const double p : {0.0, 1.0})
    for (const std::int64_t n : {1, 33, 1000}) {
      steps.push_back(through(seeded_step(problem_of(p, {n}), Input::random_reals), "native_dropout"));
      steps.push_back(next_step(problem_of(0.3, {kAfter})));
    }
  return steps;
}

void judge_native_at_the_ends(RowTrial& trial) {
  if (!claims_two_words(trial)) return;
  for (std::size_t i = 0; i + 1 < trial.size(); i += 2) {
    if (!trial.answered(i) || !trial.answered(i + 1)) continue;
    const Problem& problem = trial.step(i).problem;
    const auto n = static_cast<std::uint64_t>(element_count(problem.shape));
    const std::uint64_t words = reference::words_of_native_dropout(n, problem.mode);
    trial.require_words(i, words);
    if (problem.p == 0) trial.require_identity(i);
    require_mask(trial, i + 1, stream_mask(*trial.reply(i).seed, 0.3, kAfter, words),
                 fmt::format("the stream after {} words", words));
  }
}

}  // namespace

std::vector<RowDefinition> identity_rows() {
  return {
      {.row = {11,
               "all",
               "eval mode",
               "the input itself comes back, and no number is drawn",
               "structural, RNG state",
               kRunOnBoth,
               "all",
               {}},
       .axes = {Axis::eval, Axis::p_one},
       .problem = in_eval(problem_of(0.5, {45})),
       .steps = eval_calls,
       .judge = judge_identity,
       .held = "eval mode returns its input to the bit and draws nothing"},
      {.row = {12,
               "all",
               "p = 0 in training",
               "the input itself comes back, and no number is drawn",
               "structural, RNG state",
               kRunOnBoth,
               "all",
               {}},
       .problem = problem_of(0.0, {45}),
       .steps = calls_with_p_0,
       .judge = judge_identity,
       .held = "p = 0 returns its input to the bit and draws nothing"},
      {.row = {13,
               "all",
               "a tensor without elements, for every p",
               "the input itself comes back, and no number is drawn",
               "structural, RNG state",
               kRunOnBoth,
               "all",
               {}},
       .axes = {Axis::p_one},
       .problem = problem_of(0.5, {45}),
       .steps = empty_calls,
       .judge = judge_identity,
       .held = "an empty tensor comes back as it is and draws nothing"},
      {.row = {20,
               "dropout",
               "p = 1 in training",
               "no number is drawn; the result is a new tensor",
               "RNG state",
               kRunOnBoth,
               "all",
               {}},
       .axes = {Axis::p_one},
       .problem = problem_of(1.0, {45}),
       .steps = calls_with_p_1,
       .judge = judge_p_1,
       .held = "p = 1 draws nothing"},
      {.row = {21,
               "native_dropout, CPU",
               "p = 0 or p = 1 in training",
               "two generator words an element are drawn although no choice is left",
               "RNG state",
               kRunOnBoth,
               "all",
               {}},
       .axes = {Axis::p_one},
       .problem = problem_of(0.5, {33}),
       .needs = {Feature::rng_words},
       .steps = native_at_the_ends,
       .judge = judge_native_at_the_ends,
       .held = "native_dropout draws for every p"},
  };
}

}  // namespace dropcheck::suites
