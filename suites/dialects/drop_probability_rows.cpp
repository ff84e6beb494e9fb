// Rows 1-10: what happens to a p that is no probability, and who looks at it.

#include <limits>

#include "suites/dialects/pytorch.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/dialects/row_values.hpp"

namespace dropcheck::suites {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kLeast = std::numeric_limits<double>::denorm_min();

constexpr double kOutside[] = {-0.1, 1.1, kInfinity, -kInfinity, 1 + 0x1p-52, -kLeast};
constexpr double kBad[] = {-0.1, 1.1, kInfinity, -kInfinity, kNaN, 1 + 0x1p-52, -kLeast};

/// Every operator of ATen at ranks 0 to 6, in place and not.
std::vector<Problem> every_operator(double p) {
  std::vector<Problem> problems;
  for (const std::vector<std::int64_t>& shape : std::vector<std::vector<std::int64_t>>{
           {}, {7}, {3, 5}, {2, 3, 4}, {2, 3, 2, 2}, {2, 2, 2, 2, 2}, {2, 1, 2, 2, 1, 2}})
    problems.push_back(problem_of(p, shape));
  problems.push_back(in_place(problem_of(p, {7})));
  for (const Op op : {Op::dropout2d, Op::alpha_dropout, Op::feature_alpha_dropout}) {
    problems.push_back(problem_of(p, {2, 3, 4, 4}, DType::f32, op));
    problems.push_back(in_place(problem_of(p, {2, 3, 4, 4}, DType::f32, op)));
  }
  problems.push_back(problem_of(p, {7}, DType::f64));
  return problems;
}

std::vector<Step> refused_everywhere(std::span<const double> probabilities, bool eval) {
  std::vector<Step> steps;
  for (const double p : probabilities)
    for (const Problem& problem : every_operator(p))
      steps.push_back(refused_step(eval ? in_eval(problem) : problem));
  return steps;
}

std::vector<Step> outside_in_train() { return refused_everywhere(kOutside, false); }
std::vector<Step> bad_in_eval() { return refused_everywhere(kBad, true); }
std::vector<Step> nan_in_both() {
  std::vector<Step> steps = refused_everywhere(std::span(&kNaN, 1), false);
  std::vector<Step> eval = refused_everywhere(std::span(&kNaN, 1), true);
  steps.insert(steps.end(), eval.begin(), eval.end());
  return steps;
}

void judge_range(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i)
    trial.require_refusal(i, out_of_range_text(trial.step(i).problem.p));
}

// --- 4

std::vector<Step> minus_zero() {
  std::vector<Step> steps;
  for (Problem problem : every_operator(-0.0))
    for (const bool eval : {false, true})
      steps.push_back(next_step(eval ? in_eval(problem) : problem, Input::extremes));
  for (const Layout layout : {Layout::transposed, Layout::strided, Layout::expanded})
    steps.push_back(next_step(with_layout(problem_of(-0.0, {4, 6}), layout), Input::random_reals));
  return between_draws(std::move(steps));
}

void judge_minus_zero(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!is_quiet(trial, i)) continue;
    trial.require_identity(i);
    trial.require_alias(i, true);
  }
  require_nothing_drawn(trial);
}

// --- 5 and 6: native_dropout

Step native(double p, Mode mode) {
  Problem problem = problem_of(p, {3, 5});
  problem.mode = mode;
  return through(asked_step(problem, Input::random_reals), "native_dropout");
}

std::vector<Step> native_in_train() {
  std::vector<Step> steps;
  for (const double p : {-0.1, 1.1, kNaN, kInfinity, -kInfinity, 2.0})
    steps.push_back(native(p, Mode::train));
  return steps;
}

void judge_native_in_train(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i)
    trial.require_refusal(i, fmt::format("bernoulli_ expects p to be in [0, 1], but got p={:g}",
                                         1.0 - trial.step(i).problem.p));
}

std::vector<Step> native_in_eval() {
  std::vector<Step> steps;
  for (const double p : kBad) steps.push_back(with_mask(native(p, Mode::eval)));
  return steps;
}

void judge_native_in_eval(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!served(trial, i)) continue;
    trial.require_identity(i);
    trial.require_alias(i, false);
    const auto mask = trial.reply(i).extra.find("mask");
    if (mask == trial.reply(i).extra.end()) continue;
    std::uint64_t dropped = 0;
    for (std::size_t e = 0; e < trial.elements(i, mask->second); ++e)
      dropped += trial.value(i, mask->second, e) == 1 ? 0u : 1u;
    trial.require_all(trial.elements(i, mask->second), dropped, [&] {
      return fmt::format("{} returns a mask with {} elements that are not kept; eval keeps all",
                         trial.place(i), dropped);
    });
  }
}

// --- 10

std::vector<Step> modules() {
  std::vector<Step> steps;
  for (const double p : kBad)
    for (const Op op :
         {Op::dropout, Op::dropout2d, Op::dropout3d, Op::alpha_dropout, Op::feature_alpha_dropout})
      for (const Mode mode : {Mode::train, Mode::eval}) {
        Problem problem = problem_of(p, op == Op::dropout3d ? std::vector<std::int64_t>{2, 3, 2, 2, 2}
                                                            : std::vector<std::int64_t>{2, 3, 4, 4});
        problem.op = op;
        problem.mode = mode;
        steps.push_back(through(refused_step(problem), "module"));
      }
  return steps;
}

}  // namespace

std::vector<RowDefinition> drop_probability_rows() {
  return {
      {.row = {1,
               "operators",
               "p below 0 or above 1, or infinite; in training",
               "refused, with the range and the p that came",
               "error text",
               kRunOnBoth,
               "all",
               {}},
       .axes = {Axis::p_type, Axis::bad_p},
       .problem = problem_of(0.5, {7}),
       .steps = outside_in_train,
       .judge = judge_range,
       .held = "every p outside [0, 1] is refused"},
      {.row = {2,
               "operators",
               "p is NaN",
               "refused like a p outside the range; it is printed as nan",
               "error text",
               kRunOnBoth,
               "all",
               {}},
       .axes = {Axis::bad_p, Axis::eval},
       .problem = problem_of(0.5, {7}),
       .steps = nan_in_both,
       .judge = judge_range,
       .held = "a p that is NaN is refused"},
      {.row = {3,
               "operators",
               "a bad p in eval mode",
               "refused all the same: the range is looked at first",
               "error text",
               kRunOnBoth,
               "all",
               {}},
       .axes = {Axis::p_type, Axis::bad_p, Axis::eval},
       .problem = in_eval(problem_of(0.5, {7})),
       .steps = bad_in_eval,
       .judge = judge_range,
       .held = "a bad p is refused in eval mode too"},
      {.row = {4,
               "operators",
               "p = -0.0",
               "taken as 0: the input itself comes back and nothing is drawn",
               "bitwise, structural",
               kRunOnBoth,
               "all",
               {}},
       .axes = {Axis::eval},
       .problem = problem_of(0.5, {7}),
       .steps = minus_zero,
       .judge = judge_minus_zero,
       .held = "p = -0.0 is p = 0"},
      {.row = {5,
               "native_dropout, CPU",
               "p outside [0, 1] in training",
               "refused by the sampler, which prints 1 - p as its p",
               "error text",
               kRunOnBoth,
               "all",
               {}},
       .axes = {Axis::bad_p},
       .problem = problem_of(0.5, {3, 5}),
       .steps = native_in_train,
       .judge = judge_native_in_train,
       .held = "the sampler refuses 1 - p"},
      {.row = {6,
               "native_dropout, CPU",
               "a bad p in eval mode",
               "accepted: a copy of the input, and a mask that keeps all",
               "bitwise, structural",
               kRunOnBoth,
               "all",
               {}},
       .axes = {Axis::bad_p, Axis::eval},
       .problem = in_eval(problem_of(0.5, {3, 5})),
       .steps = native_in_eval,
       .judge = judge_native_in_eval,
       .held = "eval mode does not look at p: a copy comes back"},
      {.row = {7, "native_dropout, CUDA", "p below 0 or above 1", "accepted: everything is kept, or dropped",
               "structural", "read in the source", "not known", kNeedsCuda}},
      {.row = {8, "Python modules", "p outside [0, 1]", "the constructor raises ValueError with the range",
               "error text", "read in the source", "not known", kNeedsPython}},
      {.row = {9, "Python modules", "p is NaN",
               "the constructor accepts it; the first forward call raises RuntimeError", "error text",
               "read in the source", "not known", kNeedsPython}},
      {.row = {10,
               "C++ modules",
               "p is NaN, or outside [0, 1]",
               "no such module can be made or run",
               "error text",
               kRunOnBoth,
               "all",
               {}},
       .axes = {Axis::p_type, Axis::bad_p, Axis::eval},
       .problem = problem_of(0.5, {2, 3, 4, 4}),
       .steps = modules,
       .judge = judge_range,
       .held = "modules refuse every bad p"},
  };
}

}  // namespace dropcheck::suites
